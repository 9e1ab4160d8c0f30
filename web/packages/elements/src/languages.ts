import { en, type Messages } from "@tidings/react";

/** The texts of a language are a module each, which is loaded when an element shows it. */
const OTHERS: Readonly<Record<string, () => Promise<Messages>>> = {
  ar: async () => (await import("@tidings/react/messages/ar")).ar,
  de: async () => (await import("@tidings/react/messages/de")).de,
  es: async () => (await import("@tidings/react/messages/es")).es,
  fr: async () => (await import("@tidings/react/messages/fr")).fr,
  it: async () => (await import("@tidings/react/messages/it")).it,
  ja: async () => (await import("@tidings/react/messages/ja")).ja,
  lt: async () => (await import("@tidings/react/messages/lt")).lt,
  nl: async () => (await import("@tidings/react/messages/nl")).nl,
  pl: async () => (await import("@tidings/react/messages/pl")).pl,
  pt: async () => (await import("@tidings/react/messages/pt")).pt,
  uk: async () => (await import("@tidings/react/messages/uk")).uk,
};

export interface Language {
  readonly messages: Messages;
  /** The language of dates and numbers. */
  readonly locale: string;
}

export const ENGLISH: Language = { messages: en, locale: en.locale };

/** The language of a locale such as `pt-BR`; undefined for English ones and for those without texts, which get English. */
export function otherLanguage(locale: string): (() => Promise<Language>) | undefined {
  const texts = OTHERS[primary(locale)];
  return texts && (async () => ({ messages: await texts(), locale: valid(locale) ?? primary(locale) }));
}

/** English as a locale such as `en-GB` writes it. */
export function english(locale: string): Language {
  return primary(locale) === "en" ? { ...ENGLISH, locale: valid(locale) ?? en.locale } : ENGLISH;
}

function primary(locale: string): string {
  return (locale.split("-")[0] ?? "").toLowerCase();
}

function valid(locale: string): string | undefined {
  try {
    return Intl.getCanonicalLocales(locale)[0];
  } catch {
    return undefined;
  }
}
