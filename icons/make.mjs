// Draws the icons: `node icons/make.mjs` after `npm ci` in ui/, whose Tauri CLI turns SVG into PNG, ICO and ICNS.
// What it writes is committed; run it again only after a change to the drawings below.
//
// app:  icons/source/app.svg → 32x32.png, 128x128.png, 128x128@2x.png, icon.png (512), icon.ico, icon.icns
// tray: icons/tray/<state>-<panel>-<pixels>.png; `light` is for a light panel, `dark` for a dark one, `template` is
//       black and alpha only, for macOS to tint. Each state has a shape of its own, so that colour is never needed.
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const tauri = process.env.TAURI_CLI ?? join(here, "../ui/node_modules/.bin/tauri");

// A pincer that opens upwards, on a grid of 22.
const claw =
  "M7.6 1.6C3.6 3.5 1.4 7 1.4 11.2C1.4 16.6 5.6 20.6 11 20.6C16.4 20.6 20.6 16.6 20.6 11.4C20.6 8 19.2 5.3 16.6 3.4" +
  "C17.2 7.2 16 10.4 12.4 13.4C8 11 6.4 6.6 7.6 1.6Z";

const states = {
  ready: ({ ink }) => `<path d="${claw}" fill="${ink}"/>`,
  // It holds something.
  working: ({ ink }) => `<path d="${claw}" fill="${ink}"/><circle cx="12" cy="5.6" r="2.5" fill="${ink}"/>`,
  // A filled disc with an exclamation mark.
  "needs-you": ({ ink, call }) => `<mask id="m"><path fill="#fff" d="M-2-2h26v26h-26z"/><circle cx="16.5" cy="16.5" r="6.7" fill="#000"/></mask>
    <path d="${claw}" fill="${ink}" mask="url(#m)"/>
    <mask id="b"><circle cx="16.5" cy="16.5" r="5.5" fill="#fff"/><path d="M15.5 13h2v4.4h-2zM15.5 18.4h2v2h-2z" fill="#000"/></mask>
    <circle cx="16.5" cy="16.5" r="5.5" fill="${call}" mask="url(#b)"/>`,
  // A filled triangle, without a sign in it: something to know, nothing to answer.
  degraded: ({ ink, warn }) => `<mask id="m"><path fill="#fff" d="M-2-2h26v26h-26z"/><path d="M16 10L22.6 22H9.4Z" fill="#000" stroke="#000" stroke-width="3" stroke-linejoin="round"/></mask>
    <path d="${claw}" fill="${ink}" mask="url(#m)"/><path d="M16 12.4L20.8 20.6H11.2Z" fill="${warn}" stroke="${warn}" stroke-width="1.6" stroke-linejoin="round"/>`,
  // Two bars.
  paused: ({ ink }) => `<mask id="m"><path fill="#fff" d="M-2-2h26v26h-26z"/><path d="M10.6 10.6h12v12h-12z" fill="#000"/></mask>
    <path d="${claw}" fill="${ink}" mask="url(#m)"/><path d="M12 12h3v9h-3zM17 12h3v9h-3z" fill="${ink}"/>`,
};
const panels = {
  light: { ink: "#1d1f22", call: "#c2410c", warn: "#946800" },
  dark: { ink: "#eceef0", call: "#fb923c", warn: "#f1c21b" },
  template: { ink: "#000", call: "#000", warn: "#000" },
};

const svg = (body) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 22 22">${body}</svg>\n`;
// The accent of the UI, and the mark with room around it.
const app = svg(
  `<rect x=".8" y=".8" width="20.4" height="20.4" rx="4.8" fill="#c2410c"/>` +
    `<g transform="translate(11 11) rotate(14) scale(.62) translate(-11 -11)"><path d="${claw}" fill="#fff"/>` +
    `<circle cx="12" cy="5.4" r="2.3" fill="#fdba74"/></g>`,
);

const work = mkdtempSync(join(tmpdir(), "icons-"));
const draw = (file, text, args) => {
  writeFileSync(file, text);
  execFileSync(tauri, ["icon", file, "--output", work, ...args], { stdio: ["ignore", "ignore", "pipe"] });
};
mkdirSync(join(here, "source/tray"), { recursive: true });
mkdirSync(join(here, "tray"), { recursive: true });
draw(join(here, "source/app.svg"), app, []);
for (const name of ["32x32.png", "128x128.png", "128x128@2x.png", "icon.png", "icon.ico", "icon.icns"])
  cpSync(join(work, name), join(here, name));
for (const [state, shape] of Object.entries(states))
  for (const [panel, colours] of Object.entries(panels)) {
    draw(join(here, `source/tray/${state}-${panel}.svg`), svg(shape(colours)), ["--png", "22", "--png", "32", "--png", "44"]);
    for (const size of [22, 32, 44])
      cpSync(join(work, `${size}x${size}.png`), join(here, `tray/${state}-${panel}-${size}.png`));
  }
rmSync(work, { recursive: true });
