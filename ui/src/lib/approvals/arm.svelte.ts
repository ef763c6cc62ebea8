/** Whether the buttons that allow something may be pressed. */
import { ARM_MS, armedAt, type Armed } from "./arming";

export class Arm {
  #seen = $state(false);
  #since = $state(performance.now());
  #now = $state(performance.now());
  readonly state: Armed = $derived.by(() => armedAt(this.#now, this.#since, this.#seen));

  seen = (): void => {
    this.#seen = true;
  };

  /** Counts from now, and anew whenever the window is looked at again; answers what ends that. */
  watch(): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const restart = (): void => {
      clearTimeout(timer);
      this.#since = this.#now = performance.now();
      // A hidden page has no time to be read in.
      if (document.visibilityState !== "visible") return;
      timer = setTimeout(() => (this.#now = performance.now()), ARM_MS + 10);
    };
    restart();
    window.addEventListener("focus", restart);
    document.addEventListener("visibilitychange", restart);
    return () => {
      clearTimeout(timer);
      window.removeEventListener("focus", restart);
      document.removeEventListener("visibilitychange", restart);
    };
  }
}
