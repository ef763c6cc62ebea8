import type { Attachment } from "svelte/attachments";

interface Drop {
  onhover: (over: boolean) => void;
  onfiles: (files: File[]) => void;
}

/** Takes files that are dropped on an element; one that misses it does not replace the page. */
export function dropFiles({ onhover, onfiles }: Drop): Attachment<HTMLElement> {
  return (element) => {
    const inside = (event: Event): boolean => element.contains(event.target as Node);
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = inside(event) ? "copy" : "none";
      onhover(inside(event));
    };
    const leave = (event: DragEvent): void => {
      if (!event.relatedTarget) onhover(false);
    };
    const drop = (event: DragEvent): void => {
      onhover(false);
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      if (inside(event)) onfiles([...event.dataTransfer.files]);
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
    };
  };
}
