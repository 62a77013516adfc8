import { BootstrapError } from "./error";

/**
 * Text as a literal of Terraform JSON, with references in place of markers:
 * `terraformText("to @ADDRESS@", { "@ADDRESS@": address.publicIp })`.
 */
export function terraformText(text: string, references: Readonly<Record<string, string>> = {}): string {
  if (text !== text.normalize("NFC")) {
    throw new BootstrapError(
      "Terraform text: an accent stands apart from its letter. Terraform would join them: write the text in Unicode's normal form NFC.",
    );
  }
  if (text.startsWith("\ufeff")) {
    throw new BootstrapError(
      "Terraform text: it begins with a byte order mark, which Terraform would drop: leave it out.",
    );
  }
  const markers = Object.keys(references);
  for (const marker of markers) {
    if (marker === "" || !text.includes(marker)) {
      throw new BootstrapError(
        `Terraform text: there is no ${JSON.stringify(marker)} in the text to put a reference in place of. Use the marker that the text was made with.`,
      );
    }
  }
  if (markers.length === 0) return literal(text);
  // The longest first, so that a marker that begins like another is not cut in two.
  const pattern = [...markers]
    .sort((a, b) => b.length - a.length)
    .map((marker) => marker.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&"))
    .join("|");
  return text
    .split(new RegExp(`(${pattern})`))
    .map((piece, index, { length }) => {
      if (index % 2 === 1) return references[piece];
      // A dollar right before a reference would escape it.
      const [, body = "", dollars = ""] = /^(.*?)(\$*)$/s.exec(piece) ?? [];
      return index === length - 1 || dollars === "" ? literal(piece) : `${literal(body)}\${"${dollars}"}`;
    })
    .join("");
}

/** Terraform expands `${` and `%{`; with the sign doubled they are themselves, whatever stands before. */
function literal(text: string): string {
  return text.replace(/([$%])\{/g, "$1$1{");
}
