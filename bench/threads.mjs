// Where the threads of a process spend their time: running, and waiting for a processor, as Linux counts it.

import { readFile, readdir } from "node:fs/promises";

/** What the threads of a process did so far, by name: the time they ran and waited for a processor, in milliseconds, and how often they ran. */
async function threadTimes(pid) {
  const times = {};
  for (const thread of await readdir(`/proc/${pid}/task`)) {
    const read = (file) => readFile(`/proc/${pid}/task/${thread}/${file}`, "utf8").catch(() => "");
    const [name, text] = [(await read("comm")).trim(), await read("schedstat")];
    // It ended in the meantime.
    if (!text) continue;
    const [ran, waited, turns] = text.split(" ").map(Number);
    const sum = (times[name] ??= { ran: 0, waited: 0, turns: 0 });
    sum.ran += ran / 1e6;
    sum.waited += waited / 1e6;
    sum.turns += turns;
  }
  return times;
}

/** Begins to count; the function that it returns prints what the threads of each process did since, and those that did something. */
export async function countThreads(processes) {
  const began = performance.now();
  const before = await Promise.all(Object.values(processes).map(threadTimes));
  return async () => {
    const seconds = (performance.now() - began) / 1000;
    console.log("\nthreads | ran, ms per second | waited for a processor, ms per turn | turns per second");
    console.log("--- | --- | --- | ---");
    for (const [index, [title, pid]] of Object.entries(processes).entries()) {
      for (const [name, now] of Object.entries(await threadTimes(pid))) {
        const then = before[index][name] ?? { ran: 0, waited: 0, turns: 0 };
        const [ran, waited, turns] = ["ran", "waited", "turns"].map((what) => now[what] - then[what]);
        if (ran / seconds < 1) continue;
        console.log(`${title}: ${name} | ${(ran / seconds).toFixed(0)} | ${(waited / turns).toFixed(2)} | ${(turns / seconds).toFixed(0)}`);
      }
    }
  };
}
