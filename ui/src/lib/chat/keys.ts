/** True for the Enter that sends; not for the one that ends the composing of Chinese, Japanese or Korean text. */
export function sendsOn(event: Pick<KeyboardEvent, "key" | "shiftKey" | "isComposing" | "keyCode">): boolean {
  // Safari ends the composition before this event; the key code 229 still tells.
  const composing = event.isComposing || event.keyCode === 229;
  return event.key === "Enter" && !event.shiftKey && !composing;
}
