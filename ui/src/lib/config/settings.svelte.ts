/** The configuration while it is edited. The text is the document; the forms show its values and write into it. */
import type { GatewayClient } from "$lib/gateway/client";
import { GatewayError } from "$lib/gateway/errors";
import type { ConfigRefusal } from "$lib/gateway/wire";
import type { Config, ConfigIssue, Result } from "$lib/gateway/wire";
import { describe, t } from "$lib/strings";
import { compare, merge, type Clash, type Conflict, type Side } from "./conflict";
import { setIn } from "./edit";
import { changes, type Change } from "./patch";
import { isObject, overlap, parsePointer, pointer, type Path } from "./paths";
import { formOf, needsRestart, type Field, type Hints } from "./schema";
import { NotEditable, parse } from "./yaml";

/** Something wrong in the text, with its place there and in the forms. */
export interface Problem {
  path: Path;
  message: string;
  severity: ConfigIssue["severity"];
  line: number;
  from: number;
  to: number;
}
interface Applied {
  restart: boolean;
  /** What the file was before, for one step back. */
  before: string;
}

const CHECK_MS = 350;

export class Settings {
  schema = $state.raw<unknown>();
  fields = $state.raw<Field[]>([]);
  base = $state.raw<Config>();
  text = $state("");
  /** The last value that could be read, for the forms while the text is broken. */
  value = $state.raw<unknown>({});
  error = $state<string>();
  applied = $state.raw<Applied>();
  busy = $state(false);
  checking = $state(false);
  clash = $state.raw<{ theirs: Config; conflict: Conflict | undefined }>();
  #issues = $state.raw<Partial<ConfigIssue>[]>([]);
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;
  readonly #client: GatewayClient;

  readonly #parsed = $derived.by(() => parse(this.text));
  readonly #was = $derived.by(() => parse(this.base?.raw ?? ""));
  readonly dirty = $derived.by(() => this.base !== undefined && this.text !== this.base.raw);
  readonly broken = $derived.by(() => this.#parsed.issues.length > 0);
  readonly changes: Change[] = $derived.by(() => (this.broken ? [] : changes(this.#was.value, this.#parsed.value)));
  readonly restart = $derived.by(() => needsRestart(this.fields, this.changes.map(({ path }) => path)));
  readonly problems: Problem[] = $derived.by(() => this.#allProblems());
  readonly errors = $derived.by(() => this.problems.filter(({ severity }) => severity === "error"));

  constructor(client: GatewayClient) {
    this.#client = client;
  }

  /** Until the answer is called: follows the file. */
  watch(): () => void {
    void this.load();
    const end = this.#client.on("config.changed", ({ hash }) => void this.#changed(hash));
    return () => {
      clearTimeout(this.#timer);
      end();
    };
  }

  async load(): Promise<void> {
    try {
      const [{ schema, uiHints }, config] = await Promise.all([
        this.#client.call("config.schema", {}),
        this.#client.call("config.get", {}),
      ]);
      this.schema = schema;
      this.fields = formOf(schema, uiHints as Hints);
      if (this.dirty) this.#meet(config);
      else this.#take(config);
      this.error = undefined;
    } catch (error) {
      this.error = describe(error);
    }
  }

  changedAt(path: Path): boolean {
    return this.changes.some((change) => overlap(change.path, path));
  }

  problemsAt(path: Path): Problem[] {
    return this.problems.filter((problem) => pointer(problem.path) === pointer(path));
  }

  /** At the place itself, or anywhere inside. */
  problemsIn(path: Path): Problem[] {
    return this.problems.filter((problem) => problem.path.length >= path.length && overlap(path, problem.path));
  }

  locate(path: Path): { from: number; to: number } | undefined {
    return this.#parsed.locate(path);
  }

  /** From a form; `undefined` takes the key out, so that its default holds. */
  edit(path: Path, value: unknown): void {
    try {
      this.type(setIn(this.text, path, value));
      this.error = undefined;
    } catch (error) {
      this.error = error instanceof NotEditable ? t.settings.notEditable : describe(error);
    }
  }

  /** From the text. */
  type(text: string): void {
    this.text = text;
    this.applied = undefined;
    const { value, issues } = parse(text);
    if (issues.length === 0) this.value = isObject(value) ? value : {};
    clearTimeout(this.#timer);
    this.#asked += 1;
    this.checking = this.dirty && issues.length === 0;
    if (this.checking) this.#timer = setTimeout(() => void this.#check(), CHECK_MS);
    else this.#issues = this.dirty ? [] : (this.base?.issues ?? []);
  }

  discard(): void {
    this.type(this.base?.raw ?? "");
    this.error = undefined;
  }

  async apply(): Promise<void> {
    const before = this.base?.raw ?? "";
    await this.#write(async (hash) => this.#client.call("config.set", { raw: this.text, baseHash: hash }), before);
  }

  async undo(): Promise<void> {
    const { before } = this.applied ?? {};
    if (before === undefined) return;
    await this.#write(async (hash) => this.#client.call("config.set", { raw: before, baseHash: hash }), undefined);
  }

  async restore(id: string): Promise<boolean> {
    const before = this.base?.raw ?? "";
    return this.#write(async (hash) => this.#client.call("config.restore", { id, baseHash: hash }), before);
  }

  async restartGateway(): Promise<void> {
    try {
      await this.#client.call("gateway.restart", {});
    } catch (error) {
      this.error = describe(error);
    }
  }

  /** Ends the conflict: all of one side, or both together with a side for each clash. */
  resolve(how: Side | ((clash: Clash) => Side)): void {
    const { theirs, conflict } = this.clash ?? {};
    if (!theirs) return;
    const mine = this.text;
    this.#take(theirs);
    this.clash = undefined;
    if (how === "mine") this.type(mine);
    else if (how !== "theirs" && conflict) {
      try {
        this.type(merge(theirs.raw, conflict, how));
      } catch {
        this.type(mine);
        this.error = t.settings.notEditable;
      }
    }
  }

  async #write(call: (hash: string) => Promise<Result<"config.set">>, before: string | undefined): Promise<boolean> {
    if (!this.base || this.busy) return false;
    this.busy = true;
    this.error = undefined;
    let ok = false;
    try {
      const { applied } = await call(this.base.hash);
      this.#take(await this.#client.call("config.get", {}));
      if (before !== undefined) this.applied = { restart: applied === "restart", before };
      ok = true;
    } catch (error) {
      await this.#refused(error);
    }
    this.busy = false;
    return ok;
  }

  async #check(): Promise<void> {
    const asked = this.#asked;
    try {
      await this.#client.call("config.set", { raw: this.text, baseHash: this.base?.hash ?? "", dryRun: true });
      if (asked === this.#asked) this.#issues = [];
    } catch (error) {
      if (asked === this.#asked) await this.#refused(error);
    }
    if (asked === this.#asked) this.checking = false;
  }

  async #refused(error: unknown): Promise<void> {
    const issues = error instanceof GatewayError ? (error.details as ConfigRefusal | undefined)?.issues : undefined;
    if (error instanceof GatewayError && error.code === "CONFLICT") await this.#changed("");
    else if (issues && issues.length > 0) this.#issues = issues;
    else this.error = describe(error);
  }

  /** The file was changed elsewhere. Without changes here it is simply shown as it is now. */
  async #changed(hash: string): Promise<void> {
    if (hash === this.base?.hash || (this.busy && hash !== "")) return;
    try {
      const config = await this.#client.call("config.get", {});
      if (config.hash === this.base?.hash) return;
      if (this.dirty && config.raw !== this.text) this.#meet(config);
      else this.#take(config);
    } catch (error) {
      this.error = describe(error);
    }
  }

  #meet(theirs: Config): void {
    if (theirs.hash === this.base?.hash) return;
    this.clash = { theirs, conflict: compare(this.base?.raw ?? "", this.text, theirs.raw) };
  }

  #take(config: Config): void {
    this.base = config;
    this.type(config.raw);
  }

  #allProblems(): Problem[] {
    const written = this.#parsed.issues.map((issue): Problem => ({ ...issue, path: [], severity: "error" }));
    if (written.length > 0) return written;
    return this.#issues.map(({ path = "", message = "", severity = "error", line = 0 }) => {
      const parts = parsePointer(path);
      const start = lineStart(this.text, line);
      const place = this.#parsed.locate(parts) ?? { from: start, to: start };
      return { path: parts, message, severity, line: line || lineOf(this.text, place.from), ...place };
    });
  }
}

/** Where the settings of a connection live, so that what is not applied yet is still there on the way back. */
export function settingsOf(client: GatewayClient): Settings {
  const known = kept.get(client) ?? new Settings(client);
  kept.set(client, known);
  return known;
}
const kept = new WeakMap<GatewayClient, Settings>();

function lineStart(text: string, line: number): number {
  const before = text.split("\n").slice(0, Math.max(line - 1, 0));
  return Math.min(before.reduce((sum, each) => sum + each.length + 1, 0), text.length);
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split("\n").length;
}
