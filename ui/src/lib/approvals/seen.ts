import type { Attachment } from "svelte/attachments";
import { Coverage } from "./arming";

/** Calls `onseen` once all of the element has been on the screen, at once or by scrolling through it. */
export function whenSeen(onseen: () => void): Attachment<HTMLElement> {
  return (element) => {
    const coverage = new Coverage();
    let width = 0;
    let done = false;

    const look = (): void => {
      if (done || document.visibilityState !== "visible") return;
      const box = element.getBoundingClientRect();
      if (box.width !== width) coverage.reset();
      width = box.width;
      const [top, bottom] = visiblePart(element, box);
      coverage.see(top - box.top, bottom - box.top);
      if (!coverage.covers(box.height)) return;
      done = true;
      onseen();
    };
    const sizes = new ResizeObserver(look);
    sizes.observe(element);
    const places = new IntersectionObserver(look, { threshold: [0, 0.25, 0.5, 0.75, 1] });
    places.observe(element);
    // Scrolling does not bubble, but it is captured.
    document.addEventListener("scroll", look, true);
    document.addEventListener("visibilitychange", look);
    window.addEventListener("focus", look);
    look();
    return () => {
      sizes.disconnect();
      places.disconnect();
      document.removeEventListener("scroll", look, true);
      document.removeEventListener("visibilitychange", look);
      window.removeEventListener("focus", look);
    };
  };
}

/** What the window and every box around that scrolls or cuts leave of it. */
function visiblePart(element: HTMLElement, box: DOMRect): [number, number] {
  let [top, bottom] = [Math.max(box.top, 0), Math.min(box.bottom, window.innerHeight)];
  for (let around = element.parentElement; around; around = around.parentElement) {
    if (getComputedStyle(around).overflowY === "visible") continue;
    const frame = around.getBoundingClientRect();
    top = Math.max(top, frame.top);
    bottom = Math.min(bottom, frame.bottom);
  }
  return [top, bottom];
}
