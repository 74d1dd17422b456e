// How long a fault is repeated: this many rounds, or this many minutes, whichever is over first.

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

export class Bounds {
  /** Completed rounds. */
  done = 0;

  constructor({ rounds, minutes }) {
    this.rounds = rounds;
    this.minutes = minutes;
    this.until = performance.now() + minutes * 60_000;
  }

  /** Runs `work(round)` repeatedly; at least once. */
  async each(work) {
    do {
      await work(this.done);
      this.done += 1;
    } while (this.done < this.rounds && performance.now() < this.until);
  }
}

/** Polls until `condition` holds and returns the milliseconds that took; fails when it takes too long. */
export async function within(milliseconds, condition, what) {
  const began = performance.now();
  while (!(await condition())) {
    if (performance.now() - began > milliseconds) throw new Error(`after ${milliseconds / 1000} s ${what}`);
    await pause(20);
  }
  return performance.now() - began;
}

export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;
