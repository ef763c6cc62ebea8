/** The pages of the settings: related keys together, in the words of the catalogue. */
import { t } from "$lib/strings";
import { flatten, type Field } from "./schema";

export interface Section {
  id: string;
  title: string;
  fields: Field[];
}

const TOGETHER: [keyof typeof t.settings.sections, string[]][] = [
  ["gateway", ["gateway"]],
  ["agents", ["agents"]],
  ["models", ["models"]],
  ["channels", ["channels"]],
  ["routing", ["bindings"]],
  ["tools", ["tools", "approvals"]],
  ["sessions", ["session", "runs", "attachments"]],
  ["spending", ["usage"]],
  ["cron", ["cron"]],
  ["plugins", ["plugins"]],
  ["discovery", ["discovery"]],
  ["logging", ["logging"]],
  ["desktop", ["desktop"]],
];

/** A key that is not known here has a section of its own. */
export function sectionsOf(fields: Field[]): Section[] {
  const known = new Set(TOGETHER.flatMap(([, keys]) => keys));
  const named = TOGETHER.map(([id, keys]) => ({
    id,
    title: t.settings.sections[id],
    fields: keys.flatMap((key) => fields.filter((field) => field.path[0] === key)),
  }));
  const others = fields.filter((field) => !known.has(field.path[0] ?? ""));
  return [...named, ...others.map((field) => ({ id: field.path[0] ?? "", title: titleOf(field), fields: [field] }))].filter(
    (section) => section.fields.length > 0,
  );
}

export interface Hit {
  section: Section;
  field: Field;
}

/** Settings whose title, key or description has every word, those with it in the title first. */
export function search(sections: Section[], query: string): Hit[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return [];
  const all = sections.flatMap((section) => section.fields.flatMap(flatten).map((field) => ({ section, field })));
  const ranked = all.flatMap((hit) => {
    const name = `${titleOf(hit.field)} ${hit.field.path.join(".")}`.toLowerCase();
    const text = `${name} ${hit.section.title} ${hit.field.description}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) return [];
    return [{ hit, rank: words.filter((word) => name.includes(word)).length }];
  });
  return ranked.sort((a, b) => b.rank - a.rank).map(({ hit }) => hit);
}

/** Abbreviations as people write them; the schema's titles are made from its keys. */
export function titleOf({ title }: Field): string {
  return title.replaceAll(/\w+/g, (word) => t.settings.abbreviations[word.toLowerCase()] ?? word);
}
