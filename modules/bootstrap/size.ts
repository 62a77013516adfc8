import { gzipSync } from "node:zlib";
import type { Bootstrap } from "./compose";
import { BootstrapError } from "./error";

/** What EC2 accepts as user data. Compressed user data counts as it is. */
export const USER_DATA_LIMIT_BYTES = 16384;

/** Terraform packs it, with a gzip that makes 0.4% more of it than Node's, and with the address in the place of its marker. */
const TERRAFORMS_MORE_BYTES = 80;

export interface FileSize {
  readonly path: string;
  readonly bytes: number;
  /** Compressed alone. Together, files take less. */
  readonly gzipBytes: number;
}

/** How much each file takes, the largest first. */
export function sizes({ files }: Bootstrap): FileSize[] {
  return files
    .map(({ path, content }) => ({ path, bytes: Buffer.byteLength(content), gzipBytes: gzipSync(content).length }))
    .sort((a, b) => b.gzipBytes - a.gzipBytes || a.path.localeCompare(b.path));
}

/** Refuses user data that EC2 would not take, and says which files make it so large. */
export function assertSize(bootstrap: Bootstrap, userData: string): void {
  const bytes = gzipSync(userData).length + TERRAFORMS_MORE_BYTES;
  if (bytes <= USER_DATA_LIMIT_BYTES) return;
  const rows = sizes(bootstrap).map((file) => [String(file.bytes), String(file.gzipBytes), file.path]);
  const table = [["bytes", "gzipped", "file"], ...rows].map(
    ([raw = "", packed = "", path = ""]) => `${raw.padStart(9)} ${packed.padStart(9)}  ${path}`,
  );
  throw new BootstrapError(
    `User data for ${bootstrap.distribution.name} is ${bytes} bytes gzipped, more than EC2's ${USER_DATA_LIMIT_BYTES}: make files smaller or fewer.\n${table.join("\n")}`,
  );
}
