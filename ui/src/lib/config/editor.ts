/** The text editor. It lives in a shadow root, where its styles are allowed by the page's content security policy. */
import { autocompletion, completionKeymap, type CompletionContext, type CompletionResult } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, indentOnInput, syntaxHighlighting } from "@codemirror/language";
import { Annotation, EditorState, StateEffect, StateField, type Range } from "@codemirror/state";
import { Decoration, EditorView, WidgetType, drawSelection, highlightActiveLine, keymap, lineNumbers, type DecorationSet } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { complete } from "./complete";
import type { Field } from "./schema";

export interface Mark {
  from: number;
  to: number;
  message: string;
  severity: "warning" | "error";
}
interface Options {
  root: ShadowRoot;
  label: string;
  fields: () => Field[];
  onchange: (text: string) => void;
}

/** A change that came from the forms, not from the person at the keys. */
const outside = Annotation.define<boolean>();
const setMarks = StateEffect.define<{ lines: number[]; marks: Mark[] }>();

class Message extends WidgetType {
  constructor(readonly mark: Mark) {
    super();
  }
  override eq(other: Message): boolean {
    return other.mark.message === this.mark.message && other.mark.severity === this.mark.severity;
  }
  toDOM(): HTMLElement {
    const element = document.createElement("span");
    element.className = `message ${this.mark.severity}`;
    element.textContent = `◂ ${this.mark.message}`;
    return element;
  }
}

const decorations = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(now, transaction) {
    const effect = transaction.effects.find((each) => each.is(setMarks));
    return effect ? decorate(transaction.state, effect.value) : now.map(transaction.changes);
  },
  provide: (field) => EditorView.decorations.from(field),
});

function decorate({ doc }: EditorState, { lines, marks }: { lines: number[]; marks: Mark[] }): DecorationSet {
  const ranges: Range<Decoration>[] = [];
  for (const line of lines) {
    if (line <= doc.lines) ranges.push(Decoration.line({ class: "changed" }).range(doc.line(line).from));
  }
  for (const mark of marks) {
    const from = Math.min(mark.from, doc.length);
    const to = Math.min(Math.max(mark.to, from), doc.lineAt(from).to);
    if (to > from) ranges.push(Decoration.mark({ class: `marked ${mark.severity}` }).range(from, to));
    ranges.push(Decoration.widget({ widget: new Message(mark), side: 1 }).range(doc.lineAt(from).to));
  }
  return Decoration.set(ranges, true);
}

const look = EditorView.theme({
  "&": { height: "100%", backgroundColor: "var(--code)", color: "var(--text)", fontSize: "12.5px" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mono)", lineHeight: "1.6" },
  ".cm-content": { padding: "12px 0", caretColor: "var(--text)" },
  ".cm-line": { padding: "0 16px 0 8px" },
  ".cm-gutters": { backgroundColor: "var(--code)", color: "var(--muted)", border: "0", paddingLeft: "8px" },
  "&:not(.cm-focused) .cm-activeLine:not(.changed)": { backgroundColor: "transparent" },
  ".cm-activeLine:not(.changed)": { backgroundColor: "color-mix(in srgb, var(--text) 4%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 24%, transparent)",
  },
  ".changed": { backgroundColor: "var(--accent-soft)" },
  ".marked": { textDecoration: "underline wavy", textUnderlineOffset: "3px" },
  ".marked.error": { textDecorationColor: "var(--bad)" },
  ".marked.warning": { textDecorationColor: "var(--warn)" },
  ".message": { paddingLeft: "16px", whiteSpace: "pre-wrap" },
  ".message.error": { color: "var(--bad)" },
  ".message.warning": { color: "var(--warn)" },
  ".cm-tooltip": { border: "1px solid var(--line)", borderRadius: "6px", backgroundColor: "var(--raised)", color: "var(--text)" },
  ".cm-tooltip.cm-completionInfo": { padding: "8px 12px", maxWidth: "320px", fontFamily: "var(--font)" },
  ".cm-tooltip-autocomplete > ul": { fontFamily: "var(--mono)" },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--text)" },
});

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--accent)" },
  { tag: tags.comment, color: "var(--muted)" },
]);

export class Editor {
  readonly #view: EditorView;

  constructor(parent: HTMLElement, text: string, { root, label, fields, onchange }: Options) {
    const source = ({ state, pos, explicit }: CompletionContext): CompletionResult | null => {
      const found = complete(state.doc.toString(), pos, fields());
      return found && (explicit || found.from < pos) ? { ...found, validFor: /^[\w-]*$/ } : null;
    };
    const listener = EditorView.updateListener.of(({ docChanged, transactions, state }) => {
      if (docChanged && !transactions.some((each) => each.annotation(outside))) onchange(state.doc.toString());
    });
    const extensions = [
      lineNumbers(),
      history(),
      drawSelection(),
      highlightActiveLine(),
      EditorView.lineWrapping,
      indentOnInput(),
      yaml(),
      syntaxHighlighting(colours),
      autocompletion({ override: [source], icons: false }),
      keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap]),
      decorations,
      look,
      listener,
      EditorView.contentAttributes.of({ "aria-label": label, spellcheck: "false", tabindex: "0" }),
    ];
    this.#view = new EditorView({ state: EditorState.create({ doc: text, extensions }), parent, root });
  }

  /** Changes only what differs, so that the cursor and what was undone stay. */
  show(text: string): void {
    const now = this.#view.state.doc.toString();
    if (now === text) return;
    let from = 0;
    while (from < now.length && from < text.length && now[from] === text[from]) from += 1;
    let end = 0;
    const most = Math.min(now.length, text.length) - from;
    while (end < most && now.at(-1 - end) === text.at(-1 - end)) end += 1;
    this.#view.dispatch({
      changes: { from, to: now.length - end, insert: text.slice(from, text.length - end) },
      annotations: outside.of(true),
    });
  }

  mark(lines: number[], marks: Mark[]): void {
    this.#view.dispatch({ effects: setMarks.of({ lines, marks }) });
  }

  reveal({ from, to }: { from: number; to: number }): void {
    const end = Math.min(to, this.#view.state.doc.length);
    this.#view.dispatch({ selection: { anchor: Math.min(from, end), head: end }, scrollIntoView: true });
    this.#view.focus();
  }

  destroy(): void {
    this.#view.destroy();
  }
}
