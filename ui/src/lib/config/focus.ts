import { pointer, type Path } from "./paths";

/** The id of a setting's control in the forms. */
export const fieldId = (path: Path): string => `field${pointer(path)}`;

/** Brings a setting into view. What is inside of an entry has no place of its own until the entry is chosen. */
export function focusField(path: Path): void {
  const known = path.includes("*") ? path.slice(0, path.indexOf("*")) : path;
  const ends = ["", "-title", "-group"].map((end) => document.getElementById(fieldId(known) + end));
  const element = ends.find((each) => each !== null);
  element?.scrollIntoView({ block: "center" });
  const control = element?.matches("input, select, textarea") ? element : element?.closest(".field, .group")?.querySelector("input, select, textarea, summary, button");
  if (control instanceof HTMLElement) control.focus({ preventScroll: true });
}
