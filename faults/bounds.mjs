// How long a fault goes on: so many rounds, or so many minutes, whichever is over first.

export const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

export class Bounds {
  /** Rounds that are over. */
  done = 0;

  constructor({ rounds, minutes }) {
    this.rounds = rounds;
    this.minutes = minutes;
    this.until = performance.now() + minutes * 60_000;
  }

  /** Does `work(round)` over and over; at least once. */
  async each(work) {
    do {
      await work(this.done);
      this.done += 1;
    } while (this.done < this.rounds && performance.now() < this.until);
  }
}

/** Asks until `condition` holds and gives after how many milliseconds it did; fails when it takes longer than it may. */
export async function within(milliseconds, condition, what) {
  const began = performance.now();
  while (!(await condition())) {
    if (performance.now() - began > milliseconds) throw new Error(`after ${milliseconds / 1000} s ${what}`);
    await pause(20);
  }
  return performance.now() - began;
}

export const seconds = (milliseconds) => `${(milliseconds / 1000).toFixed(1)} s`;
