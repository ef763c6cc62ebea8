/** What a person is writing in one session, with its files and the choice of who answers. */
import type { Blobs } from "./blobs";
import { takeFiles, type LocalFile } from "./files";
import { readChoice, readDraft, writeChoice, writeDraft, type Choice } from "./storage";

export class Draft {
  text = $state("");
  files = $state.raw<LocalFile[]>([]);
  /** Why files were not taken, or what is missing since a reload. */
  problems = $state.raw<string[]>([]);
  choice = $state.raw<Choice>({});
  readonly #key: string;
  readonly #blobs: Blobs;
  /** Files are read one lot after the other, so that their sizes are added up. */
  #reading = Promise.resolve();

  constructor(key: string, blobs: Blobs) {
    this.#key = key;
    this.#blobs = blobs;
    this.text = readDraft(key);
    this.choice = readChoice(key);
  }

  get empty(): boolean {
    return this.text.trim() === "" && this.files.length === 0;
  }

  write(text: string): void {
    this.text = text;
    writeDraft(this.#key, text);
  }

  choose(choice: Choice): void {
    this.choice = choice;
    writeChoice(this.#key, choice);
  }

  addFiles(added: File[]): Promise<void> {
    this.#reading = this.#reading.then(async () => {
      const { files, problems } = await takeFiles(this.files, added);
      this.files = files;
      this.problems = problems;
      for (const file of files) this.#blobs.keep(file);
    });
    return this.#reading;
  }

  removeFile(id: string): void {
    this.files = this.files.filter((file) => file.id !== id);
    this.problems = [];
    this.#blobs.forget(id);
  }

  /** Hands over what is written and starts anew. */
  take(): { text: string; files: LocalFile[] } {
    const taken = { text: this.text.trim(), files: this.files };
    this.write("");
    this.files = [];
    this.problems = [];
    return taken;
  }

  /** Puts a message that was not sent back in front of what is written. */
  putBack(text: string, files: LocalFile[], problem?: string): void {
    this.write([text, this.text].filter(Boolean).join("\n"));
    this.files = [...files, ...this.files];
    this.problems = problem ? [problem] : [];
  }
}
