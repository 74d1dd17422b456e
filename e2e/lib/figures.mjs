// Figures: what a process uses, as Linux reports it, and what many measurements have in common.

import { readFile, readdir } from "node:fs/promises";

export const MEGABYTE = 1 << 20;

/** The memory of a process, now and at its peak, in bytes. */
export async function memory(pid) {
  const text = await readFile(`/proc/${pid}/status`, "utf8");
  const of = (field) => Number(text.match(new RegExp(`${field}:\\s+(\\d+)`))[1]) * 1024;
  return { resident: of("VmRSS"), peak: of("VmHWM") };
}

/** How many files and connections a process has open. */
export const openFiles = async (pid) => (await readdir(`/proc/${pid}/fd`)).length;

/** The processor time that a process has used so far, in milliseconds; Linux counts in steps of ten. */
export async function processorTime(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, "utf8")).replace(/^.*\) /, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** The process IDs of a process's children. */
export async function childrenOf(pid) {
  return (await readFile(`/proc/${pid}/task/${pid}/children`, "utf8")).trim().split(" ").filter(Boolean).map(Number);
}

const sorted = (numbers) => numbers.toSorted((a, b) => a - b);

/** The middle value; of an even number of values, the mean of the two in the middle. */
export function median(numbers) {
  const all = sorted(numbers);
  const half = Math.floor(all.length / 2);
  return all.length % 2 ? all[half] : (all[half - 1] + all[half]) / 2;
}

/** The value that this share of the values stays below, such as 0.99; undefined if there are no values. */
export function percentile(numbers, share) {
  const all = sorted(numbers);
  return all[Math.min(all.length - 1, Math.floor(all.length * share))];
}
