import type { Answer } from "./aws-errors";
import { ACCOUNT, type Moto } from "./moto";

/** What answers the operations of Parameter Store. */
export interface ParameterBackend {
  answer(action: string, input: object): Promise<Answer>;
}

export class MotoParameters implements ParameterBackend {
  constructor(
    private readonly moto: Moto,
    private readonly region: string,
  ) {}

  answer(action: string, input: object): Promise<Answer> {
    return this.moto.json("ssm", this.region, `AmazonSSM.${action}`, input);
  }
}

interface Stored {
  readonly type: string;
  readonly value: string;
  readonly version: number;
  readonly modified: number;
}

type Input = Readonly<Record<string, unknown>>;

class Refused extends Error {
  constructor(
    readonly code: string,
    message = "",
  ) {
    super(message);
  }
}

/** In this process: answers in microseconds, which leaves the time of a thousand parameters to the scripts. */
export class MemoryParameters implements ParameterBackend {
  private readonly parameters = new Map<string, Stored>();
  /** AWS promises at most ten a page and no least. */
  pageSize = 10;

  constructor(private readonly region: string) {}

  async answer(action: string, input: Input): Promise<Answer> {
    const type = "application/x-amz-json-1.1";
    try {
      return { status: 200, type, body: JSON.stringify(this.perform(action, input)) };
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      const body = JSON.stringify({ __type: error.code, ...(error.message ? { message: error.message } : {}) });
      return { status: 400, type, body };
    }
  }

  private perform(action: string, input: Input): object {
    const decrypt = input.WithDecryption === true;
    switch (action) {
      case "PutParameter":
        return this.put(input);
      case "GetParameter": {
        const found = this.shown(String(input.Name), decrypt);
        if (found === undefined) throw new Refused("ParameterNotFound");
        return { Parameter: found };
      }
      case "GetParameters": {
        const names = input.Names as string[];
        if (names.length > 10)
          throw new Refused("ValidationException", "Member must have length less than or equal to 10");
        const found = names.map((name) => this.shown(name, decrypt)).filter((parameter) => parameter !== undefined);
        return { Parameters: found, InvalidParameters: names.filter((name) => !this.parameters.has(name)) };
      }
      case "GetParametersByPath":
        return this.byPath(input, decrypt);
      case "DeleteParameter":
        if (!this.parameters.delete(String(input.Name))) throw new Refused("ParameterNotFound");
        return {};
      default:
        throw new Refused("UnknownOperationException", `${action} is not among what is emulated here`);
    }
  }

  private put({ Name, Value, Type, Overwrite }: Input): object {
    const name = String(Name);
    const before = this.parameters.get(name);
    if (before !== undefined && Overwrite !== true)
      throw new Refused(
        "ParameterAlreadyExists",
        "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.",
      );
    const type = Type === undefined ? before?.type : String(Type);
    if (type === undefined)
      throw new Refused("ValidationException", "A parameter type is required when you create a parameter.");
    const version = (before?.version ?? 0) + 1;
    this.parameters.set(name, { type, value: String(Value), version, modified: Date.now() / 1000 });
    return { Tier: "Standard", Version: version };
  }

  private byPath({ Path, Recursive, MaxResults = 10, NextToken }: Input, decrypt: boolean): object {
    const path = String(Path).replace(/\/?$/, "/");
    if (typeof MaxResults !== "number" || MaxResults < 1 || MaxResults > 10)
      throw new Refused("ValidationException", "Member must have value less than or equal to 10");
    const names = [...this.parameters.keys()]
      .filter((name) => name.startsWith(path) && (Recursive === true || !name.slice(path.length).includes("/")))
      .sort();
    const from = NextToken === undefined ? 0 : Number(Buffer.from(String(NextToken), "base64").toString());
    if (!Number.isInteger(from)) throw new Refused("InvalidNextToken");
    const to = from + Math.min(MaxResults, this.pageSize);
    return {
      Parameters: names.slice(from, to).map((name) => this.shown(name, decrypt)),
      ...(to < names.length ? { NextToken: Buffer.from(`${to}`).toString("base64") } : {}),
    };
  }

  private shown(name: string, decrypt: boolean): object | undefined {
    const stored = this.parameters.get(name);
    if (stored === undefined) return undefined;
    const sealed = stored.type === "SecureString" && !decrypt;
    return {
      ARN: `arn:aws:ssm:${this.region}:${ACCOUNT}:parameter${name}`,
      DataType: "text",
      LastModifiedDate: stored.modified,
      Name: name,
      Type: stored.type,
      Value: sealed ? Buffer.from(`sealed ${stored.value}`).toString("base64") : stored.value,
      Version: stored.version,
    };
  }
}

/** The tests' own way to the store: past the edge, so neither signed nor recorded. */
export class Store {
  constructor(
    readonly backend: ParameterBackend,
    private readonly prefix: string,
  ) {}

  /** @param name below the site's path, or a whole path */
  async put(name: string, value: string | object, type: "SecureString" | "String" = "SecureString"): Promise<void> {
    const text = typeof value === "string" ? value : JSON.stringify(value);
    await this.ask("PutParameter", { Name: this.full(name), Value: text, Type: type, Overwrite: true });
  }

  /** @returns undefined where there is none */
  async get(name: string): Promise<string | undefined> {
    const answer = await this.backend.answer("GetParameter", { Name: this.full(name), WithDecryption: true });
    return answer.status === 200 ? JSON.parse(answer.body).Parameter.Value : undefined;
  }

  async delete(name: string): Promise<void> {
    await this.ask("DeleteParameter", { Name: this.full(name) });
  }

  /** What is below the site's path, without that. */
  async names(): Promise<string[]> {
    const found: string[] = [];
    let NextToken: string | undefined;
    do {
      const page = await this.ask("GetParametersByPath", {
        Path: this.prefix,
        Recursive: true,
        ...(NextToken ? { NextToken } : {}),
      });
      found.push(...page.Parameters.map(({ Name }: { Name: string }) => Name.slice(this.prefix.length + 1)));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return found.sort();
  }

  private full(name: string): string {
    return name.startsWith("/") ? name : `${this.prefix}/${name}`;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the shape differs by operation
  private async ask(action: string, input: object): Promise<any> {
    const { status, body } = await this.backend.answer(action, input);
    if (status !== 200) throw new Error(`${action} ${JSON.stringify(input)}: ${body}`);
    return JSON.parse(body);
  }
}
