import { posix } from "node:path";
import { parseRange } from "../network/planner";
import { DISTRIBUTIONS, type Distribution, type DistributionFacts } from "./distribution";
import { BootstrapError } from "./error";
import type { Check, File, Fragment, Package, Port, Role, Unit } from "./role";
import { checksFile } from "./shell";
import { canBeEnabled, referencesOf, serviceOfTimer } from "./unit-text";

/** Roles, merged and checked: all that a machine is to have. */
export interface Bootstrap {
  readonly distribution: DistributionFacts;
  readonly roles: readonly string[];
  /** As the distribution calls them. */
  readonly packages: readonly string[];
  /** The roles' own, their units, and what is merged of all roles: kernel modules, sysctls, checks. */
  readonly files: readonly Required<File>[];
  readonly modulesFile: string | undefined;
  readonly sysctlsFile: string | undefined;
  readonly bootcmd: readonly string[];
  readonly runcmd: readonly string[];
  /** The units to start, in the roles' order: the distribution's, which may be missing, and the roles' own. */
  readonly start: { readonly distribution: readonly string[]; readonly own: readonly string[] };
  readonly checks: readonly Check[];
  readonly ports: readonly Port[];
}

export interface ComposeOptions {
  /**
   * What merged files are called after: `/etc/sysctl.d/90-<name>.conf`, `/etc/modules-load.d/<name>.conf`,
   * `/etc/<name>/checks`.
   * @default "stingy"
   */
  readonly name?: string;
}

/** Merges roles, in their order, and refuses what cannot work together. */
export function compose(distribution: Distribution, roles: readonly Role[], options: ComposeOptions = {}): Bootstrap {
  const { name = "stingy" } = options;
  requireName("The composition's name", name);
  const facts = DISTRIBUTIONS[distribution];
  if (facts === undefined) {
    throw new BootstrapError(
      `There is no distribution ${JSON.stringify(distribution)}: use one of ${Object.keys(DISTRIBUTIONS).join(", ")}.`,
    );
  }
  const fragments = roles.map((role) => role(facts));
  checkRoles(fragments);
  checkCapabilities(fragments);

  const units = all(fragments, "units");
  checkUnits(units, facts);
  const modules = mergeModules(fragments);
  const sysctls = mergeSysctls(fragments);
  const checks = mergeChecks(fragments);
  const merged: MergedFile[] = [
    { path: `/etc/modules-load.d/${name}.conf`, field: "modules", content: lines(modules) },
    { path: `/etc/sysctl.d/90-${name}.conf`, field: "sysctls", content: lines(sysctls) },
    { path: `/etc/${name}/checks`, field: "checks", content: checksFile(checks) },
  ];
  const commands = (field: "bootcmd" | "runcmd") =>
    all(fragments, field).map(({ role, item }) => {
      if (item.trim() === "" || item.includes("\0")) {
        throw new BootstrapError(
          `Role "${role}" has a ${field} of ${JSON.stringify(item)}: write a shell command, or leave it out.`,
        );
      }
      return item;
    });
  const started = units.filter(({ item }) => item.enable ?? true).map(({ item }) => item);
  return {
    distribution: facts,
    roles: fragments.map(({ role }) => role),
    packages: mergePackages(fragments, facts),
    files: mergeFiles(fragments, units, merged),
    modulesFile: modules.length > 0 ? merged[0]?.path : undefined,
    sysctlsFile: sysctls.length > 0 ? merged[1]?.path : undefined,
    bootcmd: commands("bootcmd"),
    runcmd: commands("runcmd"),
    start: {
      distribution: started.filter(({ content }) => content === undefined).map((unit) => unit.name),
      own: started.filter(({ content }) => content !== undefined).map((unit) => unit.name),
    },
    checks,
    ports: mergePorts(fragments),
  };
}

/** What roles listen on, for a firewall to let in. */
export function portsOf(distribution: Distribution, roles: readonly Role[]): Port[] {
  return mergePorts(roles.map((role) => role(DISTRIBUTIONS[distribution])));
}

interface Owned<T> {
  readonly role: string;
  readonly item: T;
}

interface MergedFile {
  readonly path: string;
  readonly field: string;
  readonly content: string;
}

type ListField = {
  [K in keyof Fragment]-?: NonNullable<Fragment[K]> extends readonly unknown[] ? K : never;
}[keyof Fragment];

function all<K extends ListField>(fragments: readonly Fragment[], field: K): Owned<NonNullable<Fragment[K]>[number]>[] {
  return fragments.flatMap(({ role, [field]: items = [] }) =>
    (items as readonly NonNullable<Fragment[K]>[number][]).map((item) => ({ role, item })),
  );
}

const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join("");

/** What is wrong when two roles, or one twice, have what only one may have. */
function clash(first: string, second: string, [does, all]: [string, string], what: string, fix: string): string {
  return first === second
    ? `Role "${first}" ${does} ${what} twice: leave one out.`
    : `Roles "${first}" and "${second}" both ${all} ${what}: ${fix}.`;
}

/** Every item's first owner by a key that must be nobody else's. */
function requireUnique<T>(
  items: readonly Owned<T>[],
  key: (item: T) => string,
  message: (first: string, again: Owned<T>) => string,
) {
  const owners = new Map<string, string>();
  for (const owned of items) {
    const first = owners.get(key(owned.item));
    if (first !== undefined) throw new BootstrapError(message(first, owned));
    owners.set(key(owned.item), owned.role);
  }
}

const KEBAB_CASE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

function requireName(what: string, name: string): void {
  if (!KEBAB_CASE.test(name)) {
    throw new BootstrapError(
      `${what} is ${JSON.stringify(name)}: use small letters and digits, with single hyphens between words.`,
    );
  }
}

function checkRoles(fragments: readonly Fragment[]): void {
  const seen = new Set<string>();
  for (const { role } of fragments) {
    requireName("A role's name", role);
    if (seen.has(role)) {
      throw new BootstrapError(`Two roles are called "${role}": leave one out, or give it another name.`);
    }
    seen.add(role);
  }
}

function checkCapabilities(fragments: readonly Fragment[]): void {
  const providers = new Map<string, string>();
  for (const { role, provides = [], requires = [] } of fragments) {
    for (const capability of [...provides, ...requires]) requireName(`A capability of role "${role}"`, capability);
    for (const capability of requires) {
      if (providers.has(capability)) continue;
      const later = fragments.find((fragment) => fragment.provides?.includes(capability))?.role;
      if (later === role) {
        throw new BootstrapError(
          `Role "${role}" requires "${capability}" and is the first to provide it: take it out of its \`requires\`.`,
        );
      }
      throw new BootstrapError(
        later === undefined
          ? `Role "${role}" requires "${capability}", which no role provides: add a role that does.`
          : `Role "${role}" requires "${capability}", which role "${later}" provides only after it: put "${later}" before "${role}".`,
      );
    }
    for (const capability of provides) providers.set(capability, role);
  }
}

function mergePackages(fragments: readonly Fragment[], facts: DistributionFacts): string[] {
  const names = all(fragments, "packages").flatMap(({ role, item }) => {
    const real = realNames(role, item, facts);
    for (const name of real) {
      if (!/^[a-z0-9][a-zA-Z0-9+._-]*$/.test(name)) {
        throw new BootstrapError(
          `Role "${role}" wants the package ${JSON.stringify(name)}: that is no package's name on ${facts.name}.`,
        );
      }
    }
    return real;
  });
  return [...new Set(names)];
}

function realNames(role: string, item: Package, facts: DistributionFacts): readonly string[] {
  if (typeof item === "object") return item[facts.name] ?? [];
  if (Object.hasOwn(facts.packages, item)) return facts.packages[item];
  throw new BootstrapError(
    `Role "${role}" wants the package ${JSON.stringify(item)}, which the table of distributions does not know: use one of ${Object.keys(facts.packages).join(", ")}, or name it for each distribution: { ${facts.name}: [${JSON.stringify(item)}] }.`,
  );
}

function mergeFiles(
  fragments: readonly Fragment[],
  units: readonly Owned<Unit>[],
  merged: readonly MergedFile[],
): Required<File>[] {
  const owned: Owned<File>[] = fragments.flatMap(({ role, files = [] }) => [
    ...files.map((item) => ({ role, item })),
    ...units
      .filter((unit) => unit.role === role && unit.item.content !== undefined)
      .map(({ item }) => ({
        role,
        item: { path: `/etc/systemd/system/${item.name}`, content: item.content ?? "" },
      })),
  ]);
  for (const { role, item } of owned) {
    checkFile(role, item);
    const own = merged.find(({ path }) => path === item.path);
    if (own) {
      throw new BootstrapError(
        `Role "${role}" writes ${item.path}, which is made of all roles' ${own.field}: say it in \`${own.field}\` instead.`,
      );
    }
  }
  requireUnique(
    owned,
    ({ path }) => path,
    (first, { role, item }) =>
      clash(
        first,
        role,
        ["writes", "write"],
        item.path,
        "leave it to one of them, or write another file, such as a drop-in",
      ),
  );
  // A file cannot stand where another needs a folder.
  const paths = new Map(owned.map(({ role, item }) => [item.path, role]));
  for (const { role, item } of owned) {
    for (let folder = posix.dirname(item.path); folder !== "/"; folder = posix.dirname(folder)) {
      const other = paths.get(folder);
      if (other !== undefined) {
        throw new BootstrapError(
          `Role "${other}" writes ${folder} as a file, and role "${role}" writes ${item.path} below it: give one another path.`,
        );
      }
    }
  }
  return [
    ...owned.map(({ item }) => item),
    ...merged.filter(({ content }) => content !== "").map(({ path, content }) => ({ path, content })),
  ].map(({ path, content, mode = "0644", owner = "root:root" }: File) => ({ path, content, mode, owner }));
}

function checkFile(role: string, { path, content, mode = "0644", owner = "root:root" }: File): void {
  const refuse = (what: string, fix: string): never => {
    throw new BootstrapError(`Role "${role}" writes ${JSON.stringify(path)}${what}: ${fix}.`);
  };
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are refused
  if (!posix.isAbsolute(path) || posix.normalize(path) !== path || path.endsWith("/") || /[\x00-\x1f\x7f]/.test(path)) {
    refuse("", "give an absolute path without `.`, `..`, doubled slashes or control characters, such as /etc/a.conf");
  }
  if (!/^[0-7]{4}$/.test(mode)) refuse(` with mode ${JSON.stringify(mode)}`, 'give four octal digits, such as "0644"');
  if (!/^[a-z_][a-z0-9_-]*:[a-z_][a-z0-9_-]*$/.test(owner)) {
    refuse(` with owner ${JSON.stringify(owner)}`, 'give user and group, such as "root:root"');
  }
  if (content.includes("\0")) refuse(" with a NUL in its content", "write text only");
}

function mergeModules(fragments: readonly Fragment[]): string[] {
  const modules = all(fragments, "modules");
  for (const { role, item } of modules) {
    if (!/^[A-Za-z0-9_-]+$/.test(item)) {
      throw new BootstrapError(
        `Role "${role}" loads the module ${JSON.stringify(item)}: use letters, digits, hyphens and underscores.`,
      );
    }
  }
  return [...new Set(modules.map(({ item }) => item))];
}

function mergeSysctls(fragments: readonly Fragment[]): string[] {
  const set = new Map<string, { readonly role: string; readonly value: string; readonly line: string }>();
  for (const { role, sysctls = {} } of fragments) {
    for (const [key, given] of Object.entries(sysctls)) {
      const value = String(given);
      if (!/^-?[a-z0-9_]+([./][A-Za-z0-9_*-]+)+$/.test(key)) {
        throw new BootstrapError(
          `Role "${role}" sets the sysctl ${JSON.stringify(key)}: write it as net.ipv4.ip_forward.`,
        );
      }
      // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly those are refused
      if (value.trim() === "" || /[\x00-\x1f\x7f]/.test(value)) {
        throw new BootstrapError(
          `Role "${role}" sets the sysctl ${key} to ${JSON.stringify(value)}: give a value of one line.`,
        );
      }
      // The hyphen only says that it may fail.
      const name = key.replace(/^-/, "").replaceAll("/", ".");
      const other = set.get(name);
      if (other && other.value !== value) {
        throw new BootstrapError(
          other.role === role
            ? `Role "${role}" sets the sysctl ${name} to ${other.value} and to ${value}: decide for one.`
            : `Role "${other.role}" sets the sysctl ${name} to ${other.value}, role "${role}" to ${value}: leave it to one of them.`,
        );
      }
      set.set(name, other ?? { role, value, line: `${key} = ${value}` });
    }
  }
  return [...set.values()].map(({ line }) => line);
}

function mergeChecks(fragments: readonly Fragment[]): Check[] {
  const checks = all(fragments, "checks");
  for (const { role, item } of checks) {
    requireName(`A check of role "${role}"`, item.name);
    if (item.name.length > 40) {
      throw new BootstrapError(
        `Role "${role}" has a check "${item.name}" of ${item.name.length} characters: use at most 40, because the name goes into the instance's tag.`,
      );
    }
    if (item.command.trim() === "") {
      throw new BootstrapError(`Role "${role}" has a check "${item.name}" without a command: give one.`);
    }
    if (item.severity !== undefined && item.severity !== "unfit" && item.severity !== "report") {
      throw new BootstrapError(
        `Role "${role}" has a check "${item.name}" of severity ${JSON.stringify(item.severity)}: use "unfit" or "report".`,
      );
    }
  }
  requireUnique(
    checks,
    ({ name }) => name,
    (first, { role, item }) => clash(first, role, ["has", "have"], `a check "${item.name}"`, "give one another name"),
  );
  return checks.map(({ item }) => item);
}

function mergePorts(fragments: readonly Fragment[]): Port[] {
  const ports = all(fragments, "ports");
  for (const { role, item } of ports) {
    const { protocol, port, from = [] } = item;
    if (protocol !== "udp" && protocol !== "tcp") {
      throw new BootstrapError(`Role "${role}" listens on ${JSON.stringify(protocol)}/${port}: use "udp" or "tcp".`);
    }
    if (!Number.isInteger(port) || port < 1 || port > 65535) {
      throw new BootstrapError(`Role "${role}" listens on ${protocol}/${port}: use a port from 1 to 65535.`);
    }
    const bad = from.find((network) => parseRange(network) === undefined);
    if (bad !== undefined) {
      throw new BootstrapError(
        `Role "${role}" listens on ${protocol}/${port} for ${JSON.stringify(bad)}: give a network such as 192.0.2.0/24.`,
      );
    }
    if (item.from?.length === 0) {
      throw new BootstrapError(
        `Role "${role}" listens on ${protocol}/${port} for nobody: give networks, or leave \`from\` out to listen for all.`,
      );
    }
  }
  requireUnique(
    ports,
    ({ protocol, port }) => `${protocol}/${port}`,
    (first, { role, item }) =>
      clash(first, role, ["listens", "listen"], `on ${item.protocol}/${item.port}`, "give one another port"),
  );
  return ports.map(({ item }) => item);
}

const UNIT_NAME =
  /^[A-Za-z0-9][A-Za-z0-9:_.@\\-]*\.(automount|mount|path|scope|service|slice|socket|swap|target|timer)$/;

function checkUnits(units: readonly Owned<Unit>[], facts: DistributionFacts): void {
  for (const { role, item } of units) {
    if (!UNIT_NAME.test(item.name)) {
      throw new BootstrapError(
        `Role "${role}" has a unit ${JSON.stringify(item.name)}: give its full name, such as a.service or a.timer.`,
      );
    }
  }
  requireUnique(
    units,
    ({ name }) => name,
    (first, { role, item }) => clash(first, role, ["has", "have"], `the unit ${item.name}`, "leave it to one of them"),
  );
  const known = new Set([...facts.knownUnits, ...units.map(({ item }) => item.name)]);
  for (const { role, item } of units) {
    const { name, content, enable = true } = item;
    if (content === undefined) continue;
    if (name.endsWith(".timer") && !known.has(serviceOfTimer(name, content))) {
      const service = serviceOfTimer(name, content);
      throw new BootstrapError(
        `Role "${role}": the timer ${name} has no ${service} to start: add the unit ${service}, or name another with Unit=.`,
      );
    }
    for (const { setting, unit } of referencesOf(content)) {
      if (known.has(unit) || known.has(unit.replace(/@[^.]+\./, "@."))) continue;
      throw new BootstrapError(
        `Role "${role}": ${name} says ${setting}=${unit}, but no role has the unit ${unit} and ${facts.name} is not known to have it: add the role that has it, correct the name, or add it to the distribution's known units.`,
      );
    }
    if (enable && !canBeEnabled(content)) {
      throw new BootstrapError(
        `Role "${role}": ${name} is to be enabled but has no [Install] section, so it would not start at the next boot: add WantedBy=, or say enable: false.`,
      );
    }
  }
}
