import type { Architecture, Distribution } from "../config";

const DEBIAN_ARCHITECTURE: Record<Architecture, string> = { arm64: "arm64", x86_64: "amd64" };

/** The public parameters that always name a system's newest image. AL2023's kernel series is pinned, as the unpinned one moves every year. */
const PARAMETERS: Record<string, (architecture: Architecture) => string> = {
  al2023: (architecture) => `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.12-${architecture}`,
  "debian-12": (architecture) => `/aws/service/debian/release/12/latest/${DEBIAN_ARCHITECTURE[architecture]}`,
  "debian-13": (architecture) => `/aws/service/debian/release/13/latest/${DEBIAN_ARCHITECTURE[architecture]}`,
  "ubuntu-24.04": (architecture) =>
    `/aws/service/canonical/ubuntu/server/24.04/stable/current/${DEBIAN_ARCHITECTURE[architecture]}/hvm/ebs-gp3/ami-id`,
};

export interface Image {
  /** What a launch template takes: an id, or `resolve:ssm:` and the parameter, resolved anew at each launch. */
  readonly imageId: string;
  /** The public parameter behind it, which whoever launches must be allowed to read. */
  readonly parameter?: string;
  readonly rootDevice: string;
}

const ROOT_DEVICE: Record<Distribution, string> = { al2023: "/dev/xvda", debian: "/dev/xvda", ubuntu: "/dev/sda1" };

export function imageOf(image: string, architecture: Architecture, distribution: Distribution): Image {
  const parameter = PARAMETERS[image]?.(architecture);
  const rootDevice = ROOT_DEVICE[distribution];
  return parameter === undefined
    ? { imageId: image, rootDevice }
    : { imageId: `resolve:ssm:${parameter}`, parameter, rootDevice };
}
