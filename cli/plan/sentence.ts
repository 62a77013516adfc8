/** Text with values of unknown origin in it, kept apart so that each output can make them harmless. */
export type Sentence = readonly (string | { readonly value: string })[];

/** ``say`Port ${port} is open` `` */
export function say(texts: TemplateStringsArray, ...values: readonly (string | number | Sentence)[]): Sentence {
  return texts.flatMap((text, index) => {
    const value = values[index];
    const own = text === "" ? [] : [text];
    if (value === undefined) return own;
    return [...own, ...(Array.isArray(value) ? (value as Sentence) : [{ value: String(value) }])];
  });
}

/** "a, b and 3 more", each as a value. */
export function listed(values: readonly string[], most = 12): Sentence {
  const shown: Sentence = values
    .slice(0, most)
    .flatMap((value, index) => (index === 0 ? [{ value }] : [", ", { value }]));
  return values.length > most ? [...shown, ` and ${values.length - most} more`] : shown;
}

export function joined(sentences: readonly Sentence[], between: string): Sentence {
  return sentences.flatMap((sentence, index) => (index === 0 ? sentence : [between, ...sentence]));
}

export function mapValues(sentence: Sentence, change: (value: string) => string): Sentence {
  return sentence.map((part) => (typeof part === "string" ? part : { value: change(part.value) }));
}

export function plain(sentence: Sentence): string {
  return sentence.map((part) => (typeof part === "string" ? part : part.value)).join("");
}
