import type { Parameter, SSMClient } from "@aws-sdk/client-ssm";
import type { Site } from "../modules/config";
import { STORE } from "../modules/store/names";
import type { Aws } from "./aws";
import { CliError } from "./exit";
import { sdk } from "./sdk";

export interface StoredParameter {
  /** Below the site's store prefix: "peers/phone". */
  readonly name: string;
  readonly value: string;
  readonly version: number;
  readonly modifiedAt: Date;
}

/** SSM deletes and gives this many at once. */
const AT_ONCE = 10;

/** A site's parameters, by their names below the store prefix. */
export class Store {
  constructor(
    private readonly aws: Aws,
    readonly prefix: string,
  ) {}

  async get(name: string): Promise<StoredParameter | undefined> {
    return (await this.getAll([name])).get(name);
  }

  async getAll(names: readonly string[]): Promise<Map<string, StoredParameter>> {
    const { GetParametersCommand } = sdk.ssm;
    const ssm = await this.aws.ssm();
    const found = await Promise.all(
      chunks(names).map((some) =>
        ssm.send(new GetParametersCommand({ Names: some.map((name) => this.path(name)), WithDecryption: true })),
      ),
    );
    return new Map(
      found
        .flatMap(({ Parameters = [] }) => Parameters)
        .map((parameter) => {
          const stored = this.stored(parameter);
          return [stored.name, stored];
        }),
    );
  }

  /** String or SecureString, asked without decrypting it; undefined where it is not there. */
  async typeOf(name: string): Promise<string | undefined> {
    const { GetParametersCommand } = sdk.ssm;
    const ssm = await this.aws.ssm();
    const { Parameters: [found] = [] } = await ssm.send(
      new GetParametersCommand({ Names: [this.path(name)], WithDecryption: false }),
    );
    return found?.Type;
  }

  /** Every peer's parameter, by name. */
  async peers(): Promise<StoredParameter[]> {
    const { GetParametersByPathCommand } = sdk.ssm;
    const ssm: SSMClient = await this.aws.ssm();
    const found: StoredParameter[] = [];
    let NextToken: string | undefined;
    do {
      const page = await ssm.send(
        new GetParametersByPathCommand({
          Path: this.path(STORE.peers),
          WithDecryption: true,
          MaxResults: AT_ONCE,
          ...(NextToken === undefined ? {} : { NextToken }),
        }),
      );
      found.push(...(page.Parameters ?? []).map((parameter) => this.stored(parameter)));
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return found.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** Stores what is not there yet. False where something is: that is left as it is. */
  async create(name: string, value: string): Promise<boolean> {
    try {
      await this.put(name, value, false);
      return true;
    } catch (error) {
      if (error instanceof Error && error.name === "ParameterAlreadyExists") return false;
      throw error;
    }
  }

  /** Says which version this made. */
  async replace(name: string, value: string): Promise<number> {
    return this.put(name, value, true);
  }

  /** Removes these; says which had been there. */
  async remove(names: readonly string[]): Promise<string[]> {
    const { DeleteParametersCommand } = sdk.ssm;
    const ssm = await this.aws.ssm();
    const gone: string[] = [];
    for (const some of chunks(names)) {
      const { DeletedParameters = [] } = await ssm.send(
        new DeleteParametersCommand({ Names: some.map((name) => this.path(name)) }),
      );
      gone.push(...DeletedParameters.map((path) => this.nameOf(path)));
    }
    return gone;
  }

  private async put(name: string, value: string, overwrite: boolean): Promise<number> {
    const { PutParameterCommand } = sdk.ssm;
    const ssm = await this.aws.ssm();
    const { Version = 0 } = await ssm.send(
      new PutParameterCommand({ Name: this.path(name), Value: value, Type: "SecureString", Overwrite: overwrite }),
    );
    return Version;
  }

  private path(name: string): string {
    return `${this.prefix}/${name}`;
  }

  private nameOf(path: string): string {
    return path.slice(this.prefix.length + 1);
  }

  private stored({ Name = "", Value = "", Version = 0, LastModifiedDate }: Parameter): StoredParameter {
    return { name: this.nameOf(Name), value: Value, version: Version, modifiedAt: LastModifiedDate ?? new Date(0) };
  }
}

/** Whoever finds nothing of the site in the store most likely looks into the wrong account or region. */
export function notDeployed({ environment, name, storePrefix }: Site, { region }: Aws): CliError {
  return new CliError(`The site ${environment}-${name} is not deployed: ${region} has nothing under ${storePrefix}.`, {
    fix: "Run `npx cdktf deploy '*'`. If it is deployed, check AWS_PROFILE and the setting `region`: this may be another account or region.",
  });
}

function chunks<T>(all: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(all.length / AT_ONCE) }, (_, at) =>
    all.slice(at * AT_ONCE, (at + 1) * AT_ONCE),
  );
}
