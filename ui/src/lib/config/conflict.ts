/** The file changed on disk while changes to it waited here. */
import { changes, type Change } from "./patch";
import { getIn, isEqual, overlap, pointer, type Path } from "./paths";
import { setIn } from "./edit";
import { parse } from "./yaml";

export interface Clash {
  path: Path;
  base: unknown;
  mine: unknown;
  theirs: unknown;
}
export interface Conflict {
  /** Both sides changed these, to different values. */
  clashes: Clash[];
  /** Only this side did, so that they are kept whatever is chosen for the others. */
  mine: Change[];
  /** How much else is different in the file now. */
  theirs: number;
}
export type Side = "mine" | "theirs";

/** Nothing where one of the texts cannot be read: then only a whole one can be chosen. */
export function compare(base: string, mine: string, theirs: string): Conflict | undefined {
  const [was, own, now] = [parse(base), parse(mine), parse(theirs)];
  if (was.issues.length + own.issues.length + now.issues.length > 0) return undefined;
  const ours = changes(was.value, own.value);
  const others = changes(was.value, now.value);
  const inBoth = ours.filter(({ path }) => others.some((other) => overlap(path, other.path)));
  const clashes = inBoth.map(({ path }): Clash => {
    const other = others.find((each) => overlap(path, each.path))!;
    const shorter = other.path.length < path.length ? other.path : path;
    return { path: shorter, base: getIn(was.value, shorter), mine: getIn(own.value, shorter), theirs: getIn(now.value, shorter) };
  });
  const real = clashes.filter(
    (clash, at) =>
      !isEqual(clash.mine, clash.theirs) && clashes.findIndex((each) => pointer(each.path) === pointer(clash.path)) === at,
  );
  return {
    clashes: real,
    mine: ours.filter((change) => !inBoth.includes(change)),
    theirs: others.filter(({ path }) => !inBoth.some((change) => overlap(path, change.path))).length,
  };
}

/** The file as it is now with this side's changes on top, each clash as it was chosen. */
export function merge(theirs: string, { mine, clashes }: Conflict, choice: (clash: Clash) => Side): string {
  const own = clashes.filter((clash) => choice(clash) === "mine").map(({ path, mine: value }): Change => ({ path, value }));
  return [...mine, ...own].reduce((text, { path, value }) => setIn(text, path, value), theirs);
}
