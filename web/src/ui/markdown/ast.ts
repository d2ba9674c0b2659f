/** What a message's text becomes before it is drawn. Nothing here can carry HTML. */
export type Inline =
  | { readonly t: "text"; readonly s: string }
  | { readonly t: "code"; readonly s: string }
  | { readonly t: "strong" | "em" | "del"; readonly c: readonly Inline[] }
  | { readonly t: "link"; readonly href: string; readonly c: readonly Inline[] }
  | { readonly t: "mention"; readonly user: string; readonly s: string };

export type Block =
  | { readonly t: "p"; readonly c: readonly Inline[] }
  | { readonly t: "heading"; readonly c: readonly Inline[] }
  | { readonly t: "code"; readonly lang: string; readonly s: string }
  | { readonly t: "quote"; readonly c: readonly Block[] }
  | { readonly t: "list"; readonly ordered: boolean; readonly start: number; readonly items: readonly (readonly Inline[])[] };

/** A name after @ that stands for a person of the message; "*" is everyone. */
export interface MentionName {
  readonly name: string;
  readonly user: string;
}
