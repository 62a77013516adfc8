/** A package in the place of Amazon's SSM agent, which is not Debian's to give: a service of that name that does nothing. */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { run } from "./work";

const CONTROL = `Package: amazon-ssm-agent
Version: 0~lab
Architecture: amd64
Maintainer: the lab <lab@example.com>
Description: stands in for the SSM agent
`;
const UNIT = `[Unit]
Description=stands in for the SSM agent

[Service]
ExecStart=/bin/sleep infinity

[Install]
WantedBy=multi-user.target
`;
/** As the product's user data asks for it. */
const URL = "s3.amazonaws.com/ec2-downloads-windows/SSMAgent/latest/debian_amd64/amazon-ssm-agent.deb";

/** Makes it in a folder that holds files by their host. */
export async function makeStandInAgent(folder: string, work: string): Promise<void> {
  const root = path.join(work, "agent");
  const files = { "DEBIAN/control": CONTROL, "lib/systemd/system/amazon-ssm-agent.service": UNIT };
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true, mode: 0o755 });
    writeFileSync(path.join(root, name), content, { mode: 0o644 });
  }
  const deb = path.join(folder, URL);
  mkdirSync(path.dirname(deb), { recursive: true });
  await run("dpkg-deb", ["--root-owner-group", "--build", root, deb]);
}
