// The few words of notifications. The worker that shows them carries only these, not the whole catalogue.

interface Words {
  readonly app: string;
  /** In place of a text that is hidden. */
  readonly news: (n: number) => string;
  readonly from: (sender: string, body: string) => string;
  readonly tested: string;
  readonly testedText: string;
  readonly something: string;
  readonly readElsewhere: string;
}

const many = (n: number): string => (n > 999 ? "999+" : String(n));

export const told: { readonly en: Words; readonly ko: Words } = {
  en: {
    app: "Gori",
    news: (n) => (n > 1 ? `${many(n)} new messages` : "New message"),
    from: (sender, body) => `${sender}: ${body}`,
    tested: "Notifications work",
    testedText: "This is what a notification looks like here.",
    something: "There is something new.",
    readElsewhere: "Read on another device.",
  },
  ko: {
    app: "고리",
    news: (n) => (n > 1 ? `새 메시지 ${many(n)}개` : "새 메시지"),
    from: (sender, body) => `${sender}: ${body}`,
    tested: "알림이 잘 와요",
    testedText: "이 기기에서는 알림이 이렇게 보여요.",
    something: "새 소식이 있어요.",
    readElsewhere: "다른 기기에서 읽었어요.",
  },
};

/** The words for a language; what is not known is taken from the browser's wishes. */
export function wordsFor(lang: string, wishes: readonly string[]): Words {
  if (lang === "ko" || lang === "en") return told[lang];
  const first = wishes.find((tag) => /^(ko|en)\b/i.test(tag));
  return first !== undefined && /^ko\b/i.test(first) ? told.ko : told.en;
}
