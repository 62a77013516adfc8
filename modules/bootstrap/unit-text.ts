/** The settings whose values are other units. */
const REFERENCES = new Set([
  "After",
  "Before",
  "BindsTo",
  "OnFailure",
  "OnSuccess",
  "PartOf",
  "RequiredBy",
  "Requires",
  "Requisite",
  "Unit",
  "WantedBy",
  "Wants",
]);

export interface Reference {
  readonly setting: string;
  readonly unit: string;
}

/** The units that a unit's text names, and how. */
export function referencesOf(text: string): Reference[] {
  return settingsOf(text)
    .filter(([setting]) => REFERENCES.has(setting))
    .flatMap(([setting, value]) => value.split(/\s+/).map((unit) => ({ setting, unit })))
    .filter(({ unit }) => unit !== "");
}

/** The service that a timer starts. */
export function serviceOfTimer(name: string, text: string): string {
  return referencesOf(text).find(({ setting }) => setting === "Unit")?.unit ?? name.replace(/\.timer$/, ".service");
}

export function canBeEnabled(text: string): boolean {
  return /^\[Install\]\s*$/m.test(text);
}

function settingsOf(text: string): [setting: string, value: string][] {
  return text
    .split("\n")
    .filter((line) => !/^\s*[#;]/.test(line))
    .join("\n")
    .replace(/\\\n/g, " ")
    .split("\n")
    .flatMap((line): [string, string][] => {
      const [, setting = "", value = ""] = /^\s*([A-Za-z]+)\s*=(.*)$/.exec(line) ?? [];
      return setting === "" ? [] : [[setting, value]];
    });
}
