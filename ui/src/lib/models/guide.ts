import type { Chat } from "$lib/chat/chat.svelte";

export const BUILT_IN = "builtin";

/** Nothing but the built-in guide answers. */
export function isGuide(model: string | undefined): boolean {
  return model === undefined || model.startsWith(`${BUILT_IN}/`);
}

/** Nobody has written anything yet, and only the guide would answer. */
export function isFirstStart(chat: Chat): boolean {
  if (!chat.sessions.loaded || chat.agents.length === 0) return false;
  return chat.sessions.all.every(({ messageCount }) => messageCount === 0) && isGuide(chat.resolvedModel(chat.defaultAgentId));
}
