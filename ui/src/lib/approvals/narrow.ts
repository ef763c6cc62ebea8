/** A rule that would be saved, made narrower by a person. Never wider: the gateway would refuse it, and rightly so. */
import type { Approval, ApprovalRule } from "$lib/gateway/wire";
import { unescaped } from "./marks";

export const DAYS = [0, 1, 7, 30] as const;

export interface Narrowing {
  /** Nothing may follow the words of a rule that would allow more of them. */
  exact: boolean;
  /** 0: for as long as it is not removed. */
  days: (typeof DAYS)[number];
}

/** Whether all words of what asks can stand in a rule as they are. */
export function wordsOf({ action }: Approval): string[] | undefined {
  const words = action.argv.map(unescaped);
  return words.every((word) => word !== undefined) ? words : undefined;
}

export function narrowed(rule: ApprovalRule, approval: Approval, { exact, days }: Narrowing, now: Date): ApprovalRule {
  const { expiresAt: until, ...rest } = rule;
  const words = rule.prefix && exact ? wordsOf(approval) : undefined;
  const chosen = days > 0 ? new Date(now.getTime() + days * 86_400_000).toISOString() : undefined;
  const expiresAt = [until, chosen].filter((each) => each !== undefined).sort()[0];
  return { ...rest, ...(words && { argv: words, prefix: false }), ...(expiresAt && { expiresAt }) };
}
