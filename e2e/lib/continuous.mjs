// Work that continues while something is changed: people who sign in, clients that refresh.

/**
 * Runs `work(index)` repeatedly, `parallel` at a time and at most `limit` times, until stopped. `more(count)` waits until
 * that many runs that began after the call have finished; `stop()` returns all failures.
 */
export function continuously(work, { parallel = 4, limit = 400 } = {}) {
  const failures = [];
  const waiting = new Set();
  let [begun, stopped] = [0, false];
  const worker = async () => {
    while (!stopped) {
      const index = begun++;
      if (index >= limit) throw new Error(`no end after ${limit} pieces of work`);
      await work(index).catch((error) => failures.push(error));
      for (const each of waiting) each(index);
    }
  };
  const workers = Promise.all(Array.from({ length: parallel }, worker));
  const more = (count) => {
    const first = begun;
    const done = new Promise((resolve) => {
      let missing = count;
      const heard = (index) => {
        if (index < first) return;
        missing -= 1;
        if (missing === 0) resolve(waiting.delete(heard));
      };
      waiting.add(heard);
    });
    return Promise.race([done, workers]);
  };
  const stop = async () => {
    stopped = true;
    await workers;
    return failures;
  };
  return { more, stop, done: () => begun };
}
