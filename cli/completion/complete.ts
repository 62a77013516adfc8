import type { Command, Option } from "commander";
import type { Context } from "../context";
import { print } from "../output";

/** What `file` is in `--out <file>`. */
const IS_PATH = /[<[](file|dir|directory|folder|path)\b/i;
/** Has the shell complete files. */
const FILES = ":0";

/** Prints what may stand where the cursor is, for the script in the shell. */
export async function complete(program: Command, context: Context, words: readonly string[]): Promise<void> {
  const before = words.at(-2) ?? "";
  const option = optionsOf(commandAt(program, words.slice(0, -1))).find(({ long, short }) =>
    [long, short].includes(before),
  );
  if (option && IS_PATH.test(option.flags)) return print(FILES);
  const { default: tab } = await import("@bomb.sh/tab");
  type Described = ReturnType<typeof tab.command>;
  const sites = option?.long === "--site" ? await siteNames(context) : [];

  const describe = (target: Described, command: Command) => {
    for (const known of optionsOf(command)) {
      const [long, short] = [known.long?.slice(2), known.short?.slice(1)];
      if (long === undefined) continue;
      const values = long === "site" ? sites : (known.argChoices ?? []);
      if (known.required || known.optional) target.option(long, known.description, offering(values), short);
      else if (short === undefined) target.option(long, known.description);
      else target.option(long, known.description, short);
    }
    for (const argument of command.registeredArguments) {
      target.argument(argument.name(), offering(argument.argChoices ?? []), argument.variadic);
    }
  };
  const walk = (command: Command, names: readonly string[]) => {
    describe(names.length === 0 ? tab : tab.command(names.join(" "), shortly(command)), command);
    for (const sub of command.createHelp().visibleCommands(command)) walk(sub, [...names, sub.name()]);
  };
  walk(program, []);
  tab.parse([...words]);
}

/** There is a line for each. */
function shortly(command: Command): string {
  return (command.summary() || command.description()).replace(/[.:;]\s.*|\.$/s, "");
}

function offering(values: readonly string[]) {
  return (add: (value: string, description: string) => void) => {
    for (const value of values) add(value, "");
  };
}

/** A command's own, help, and those that every command has. */
function optionsOf(command: Command): Option[] {
  const options = [...command.createHelp().visibleOptions(command)];
  for (let { parent } = command; parent; parent = parent.parent) {
    options.push(...parent.options.filter(({ long }) => long !== "--version"));
  }
  return options;
}

function commandAt(program: Command, words: readonly string[]): Command {
  return words.reduce((at, word) => at.commands.find((sub) => sub.name() === word) ?? at, program);
}

/** A configuration that cannot be read has no sites to offer, and this is no place to say why. */
async function siteNames(context: Context): Promise<string[]> {
  return context.config().then(
    ({ sites }) => sites.map(({ name }) => name),
    () => [],
  );
}
