// How long a fault is repeated: this many rounds, or this many minutes, whichever ends first.

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
