import path from "node:path";
import {
  CloudBackend,
  HttpBackend,
  LocalBackend,
  NamedCloudWorkspace,
  NamedRemoteWorkspace,
  RemoteBackend,
  S3Backend,
  type TerraformStack,
} from "cdktf";
import type { Backend } from "../modules/config";

export interface BackendProps {
  readonly backend: Backend;
  /** The stack's own folder, where Terraform runs. */
  readonly stackFolder: string;
  /** What a relative path in the configuration starts from. */
  readonly root: string;
}

/** Gives a stack its own state in the configured backend. */
export function addBackend(stack: TerraformStack, { backend, stackFolder, root }: BackendProps): void {
  const id = stack.node.id;
  switch (backend.type) {
    case "local": {
      const file = path.join(root, backend.path, `${id}.tfstate`);
      new LocalBackend(stack, { path: path.relative(stackFolder, file).split(path.sep).join("/") });
      return;
    }
    case "s3": {
      const s3 = new S3Backend(stack, {
        bucket: backend.bucket,
        key: `${backend.keyPrefix}/${id}.tfstate`,
        region: backend.region,
        encrypt: true,
        ...(backend.kmsKeyId === undefined ? {} : { kmsKeyId: backend.kmsKeyId }),
      });
      s3.addOverride("use_lockfile", true);
      return;
    }
    case "cloud":
      new CloudBackend(stack, {
        organization: backend.organization,
        ...(backend.hostname === undefined ? {} : { hostname: backend.hostname }),
        workspaces: new NamedCloudWorkspace(`${backend.workspacePrefix}${id}`, backend.project),
      });
      return;
    case "remote":
      new RemoteBackend(stack, {
        organization: backend.organization,
        ...(backend.hostname === undefined ? {} : { hostname: backend.hostname }),
        workspaces: new NamedRemoteWorkspace(`${backend.workspacePrefix}${id}`),
      });
      return;
    case "http": {
      const address = backend.address.replaceAll("{stack}", id);
      const url = new URL(address);
      url.pathname = `${url.pathname}/lock`;
      const lock = url.toString();
      new HttpBackend(stack, {
        address,
        ...(backend.lock ? { lockAddress: lock, lockMethod: "POST", unlockAddress: lock, unlockMethod: "DELETE" } : {}),
      });
      return;
    }
  }
}
