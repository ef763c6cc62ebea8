import js from "@eslint/js";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

const PAGES = ["approvals", "chat", "health", "models", "settings", "welcome"];

/** Components are layered shared → those of a page → views; nothing imports upwards and `lib` imports none of them. */
const layer = (files, ...forbidden) => ({
  files,
  rules: {
    "no-restricted-imports": ["error", { patterns: forbidden.map((group) => ({ group: [group] })) }],
  },
});

export default ts.config(
  { ignores: ["dist", "node_modules", "src/lib/gateway/generated", "test-results", "playwright-report"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, __VERSION__: "readonly" } },
    rules: {
      eqeqeq: "error",
      "no-console": "error",
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-non-null-assertion": "off",
      "@typescript-eslint/no-unused-vars": ["error", { ignoreRestSiblings: true }],
      // State is replaced as a whole, never changed in place.
      "svelte/prefer-svelte-reactivity": "off",
    },
  },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, extraFileExtensions: [".svelte"], svelteConfig } },
    // Svelte's own compiler knows the types; this rule does not know its globals.
    rules: { "no-undef": "off" },
  },
  { files: ["scripts/**", "*.js", "*.ts", "e2e/**"], languageOptions: { globals: globals.node }, rules: { "no-console": "off" } },
  layer(["src/lib/**"], "**/components/**"),
  layer(["src/components/shared/**"], ...PAGES.map((page) => `**/${page}/*.svelte`), "**/views/**"),
  layer(PAGES.map((page) => `src/components/${page}/**`), "**/views/**"),
);
