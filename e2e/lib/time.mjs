// Waiting: for a while, or until something is true.

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

/** A duration in words. */
export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;

/**
 * Polls until `condition` is true and returns the milliseconds that took. When it takes longer than `milliseconds`, fails with `what`:
 * a text, or a function that returns one.
 */
export async function within(milliseconds, condition, what) {
  const began = performance.now();
  while (!(await condition())) {
    if (performance.now() - began > milliseconds) {
      throw new Error(`after ${milliseconds / 1000} s ${typeof what === "function" ? what() : what}`);
    }
    await pause(20);
  }
  return performance.now() - began;
}
