import type { Blobs } from "./blobs";
import type { Attached } from "./files";

/** The browser may still read from the address after the click. */
const HELD_MS = 60_000;

/** Saves an attachment as a file. */
export async function save(blobs: Blobs, { attachmentId, mimeType, name }: Attached): Promise<void> {
  const link = document.createElement("a");
  link.href = await blobs.acquire(attachmentId, mimeType);
  link.download = name;
  link.click();
  setTimeout(() => blobs.release(attachmentId), HELD_MS);
}
