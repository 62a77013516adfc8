import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { type Config, parseYaml } from "../../../modules/config";
import type { FakeCloudflare } from "../../assets/lambda/fake-cloudflare";
import { type Ran, type RunOptions, stingy } from "../../cli/support/stingy";
import { Moto, PATCHED } from "../emulator/moto";
import { cloudflareEnvironment, startCloudflare } from "./cloudflare";
import { Player } from "./player";
import { Project } from "./project";

export interface StageOptions {
  /** The text of stingy.yaml. */
  readonly config: string;
  /** The only token that the fake Cloudflare takes. */
  readonly token: string;
  /** A Python that has moto. @default python3 */
  readonly python?: string;
  /** The emulator's. @default - one that is free */
  readonly port?: number;
  /** How many times faster than the scripts the played servers wait. @default 1 */
  readonly pace?: number;
  /** What cdktf and Terraform say. */
  readonly onLine?: (line: string) => void;
}

/** A world to deploy the product in: the emulators, the played servers and a project, in one folder, ended together. */
export class Stage {
  readonly config: Config;
  readonly moto: Moto;
  readonly cloudflare: FakeCloudflare;
  readonly player: Player;
  readonly project: Project;

  private constructor(
    readonly folder: string,
    parts: Pick<Stage, "config" | "moto" | "cloudflare" | "player" | "project">,
  ) {
    this.config = parts.config;
    this.moto = parts.moto;
    this.cloudflare = parts.cloudflare;
    this.player = parts.player;
    this.project = parts.project;
  }

  static async start(options: StageOptions): Promise<Stage> {
    const { token, python = PATCHED[0] ?? "", port, pace, onLine } = options;
    const config = parseYaml(options.config, "stingy.yaml");
    const folder = mkdtempSync(path.join(tmpdir(), "stingy-stage-"));
    const begun: (() => Promise<void>)[] = [];
    try {
      const cloudflare = await startCloudflare(config, token);
      begun.push(() => cloudflare.stop());
      const moto = await Moto.start([python, ...PATCHED.slice(1)], {
        environment: { CLOUDFLARE_BASE_URL: cloudflare.url },
        log: path.join(folder, "requests.log"),
        ...(port === undefined ? {} : { port }),
      });
      begun.push(() => moto.stop());
      const sites = config.sites.map(({ environment, name, region }) => ({ environment, name, region }));
      const player = Player.start({
        url: moto.url,
        sites,
        log: path.join(folder, "servers.log"),
        ...(pace === undefined ? {} : { pace }),
      });
      begun.push(() => player.stop());
      const project = Project.create({
        config: options.config,
        folder: path.join(folder, "project"),
        env: { ...moto.env, ...cloudflareEnvironment(cloudflare) },
        ...(onLine ? { onLine } : {}),
      });
      return new Stage(folder, { config, moto, cloudflare, player, project });
    } catch (error) {
      for (const end of begun.reverse()) await end();
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Runs the real `stingy` on the project. */
  async stingy(args: readonly string[], options: RunOptions = {}): Promise<Ran> {
    const env = { ...this.moto.env, ...cloudflareEnvironment(this.cloudflare), STINGY_CONFIG: this.project.configFile };
    return stingy(args, { ...options, env: { ...env, ...options.env } });
  }

  /** Ends everything; the folder is left to be looked at where it is to be kept. */
  async stop({ keep = false } = {}): Promise<void> {
    await this.project.stop();
    await this.player.stop();
    await Promise.all([this.moto.stop(), this.cloudflare.stop()]);
    if (!keep) rmSync(this.folder, { recursive: true, force: true });
  }
}
