/**
 * Markdown of models and senders to HTML that is safe to put on the page. Raw HTML in it is shown as text, images are
 * never loaded, and what is made then passes a sanitiser that knows only the few tags below.
 */
import DOMPurify, { type Config } from "dompurify";
import { Marked, type Token, type Tokens } from "marked";
import { t } from "$lib/strings";

const PROFILE: Config & { RETURN_DOM?: false } = {
  ALLOWED_TAGS: [
    ..."p br hr h2 strong em del code pre blockquote ul ol li a span div button".split(" "),
    ..."table thead tbody tr th td".split(" "),
  ],
  ALLOWED_ATTR: ["href", "title", "class", "start", "align", "rel", "target", "type", "tabindex"],
  // Not addresses, so the pattern below is not for them.
  ADD_URI_SAFE_ATTR: ["start", "align", "rel", "target", "type", "tabindex"],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
};
/** Deeper than any sane list or quote, and shallow enough that nothing can stall the page. */
const MAX_DEPTH = 32;

const marked = new Marked({ gfm: true, breaks: true, async: false });
marked.use({
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ href, text }) => escape(text || href),
    code: ({ text, lang }) => codeBlock(text, lang),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    heading({ tokens, depth }) {
      // The page's title is the first level, and what a message makes of the others would leave gaps in the outline.
      return `<h2 class="depth-${depth}">${this.parser.parseInline(tokens)}</h2>`;
    },
    link({ href, tokens, text }) {
      const label = this.parser.parseInline(tokens);
      const url = webAddress(href);
      if (!url) return label;
      return `<a href="${escape(url.href)}" title="${escape(url.href)}" target="_blank" rel="noopener noreferrer nofollow">${label}</a>${disguise(text, url)}`;
    },
    table(token) {
      const cell = (tag: "th" | "td") => (item: Tokens.TableCell): string =>
        `<${tag}${item.align ? ` align="${item.align}"` : ""}>${this.parser.parseInline(item.tokens)}</${tag}>`;
      const head = token.header.map(cell("th")).join("");
      const body = token.rows.map((row) => `<tr>${row.map(cell("td")).join("")}</tr>`).join("");
      return `<div class="table" tabindex="0"><table><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>`;
    },
  },
});

/** The blocks of a text, each as HTML: while a text grows only its last block changes. */
export class MarkdownBlocks {
  #cache = new Map<string, string>();

  render(text: string): string[] {
    const tokens = lex(text);
    if (!tokens) return [`<pre tabindex="0">${escape(text)}</pre>`];
    const next = new Map<string, string>();
    const blocks: string[] = [];
    for (const token of tokens) {
      if (token.type === "space" || token.type === "def") continue;
      const html = this.#cache.get(token.raw) ?? renderBlock(token);
      next.set(token.raw, html);
      blocks.push(html);
    }
    this.#cache = next;
    return blocks;
  }
}

export function renderMarkdown(text: string): string {
  return new MarkdownBlocks().render(text).join("");
}

/** The lexer recurses over nested quotes and lists; a text made to exhaust it is shown as it is. */
function lex(text: string): Token[] | undefined {
  try {
    return marked.lexer(text);
  } catch {
    return undefined;
  }
}

function renderBlock(token: Token): string {
  const html = depthOf(token) > MAX_DEPTH ? `<p>${escape(token.raw)}</p>` : marked.parser([token]);
  return DOMPurify.sanitize(html, PROFILE);
}

function depthOf(token: Token, depth = 0): number {
  if (depth > MAX_DEPTH) return depth;
  const children = [...("tokens" in token ? (token.tokens ?? []) : []), ...("items" in token ? (token.items as Token[]) : [])];
  return Math.max(depth, ...children.map((child) => depthOf(child, depth + 1)));
}

function codeBlock(text: string, lang: string | undefined): string {
  const name = escape(lang?.split(/\s/)[0]?.slice(0, 24) ?? "");
  return `<div class="code"><div class="code-head"><span>${name}</span><button type="button" class="copy">${t.chat.copy}</button></div><pre tabindex="0"><code>${escape(text)}</code></pre></div>`;
}

/** Only absolute web and mail addresses become links. */
function webAddress(href: string): URL | undefined {
  try {
    const url = new URL(href);
    return ["http:", "https:", "mailto:"].includes(url.protocol) ? url : undefined;
  } catch {
    return undefined;
  }
}

/** Where a link's text looks like another address than the one it opens, the real host is written beside it. */
function disguise(text: string, url: URL): string {
  if (url.protocol === "mailto:") return "";
  const shown = /^(?:https?:\/\/)?([\w-]+(?:\.[\w-]+)+)(?:[/:?#]|$)/i.exec(text.trim())?.[1];
  if (!shown || shown.toLowerCase().replace(/^www\./, "") === url.hostname.replace(/^www\./, "")) return "";
  return ` <span class="host">(${escape(url.hostname)})</span>`;
}

function escape(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (character) => names[character]!);
}
