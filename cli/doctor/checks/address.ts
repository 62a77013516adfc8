import { STORE } from "../../../modules/store/names";
import { broken, type Check, ifSeen, ok, seen, skipped } from "../check";
import { aws, deploy, stingy } from "../commands";

export const address: Check = {
  id: "address",
  group: "Address",
  title: "the Elastic IP exists",
  needs: ["deployed"],
  run: (facts) => {
    const { elasticIp } = facts.site;
    if (elasticIp === false) return skipped("the site has none: its name is its address");
    const found = seen(facts.address);
    if (found) return ok(found.publicIp);
    if (elasticIp === true) {
      return broken(
        "AWS has no Elastic IP of this site",
        `Have Terraform make one: \`${deploy(facts)}\`. It is another address than before: every device needs it as its Endpoint.`,
      );
    }
    return broken(
      `AWS has no Elastic IP ${elasticIp}, which elasticIp names`,
      `See which there are, \`${aws(facts, "ec2 describe-addresses")}\`, and correct elasticIp in ${facts.configFile ?? "stingy.yaml"}.`,
    );
  },
};

export const addressElsewhere: Check = {
  id: "address-elsewhere",
  group: "Address",
  title: "the Elastic IP is on the server that the store names",
  needs: ["address", "store-instance-id"],
  run: (facts) => {
    if (facts.site.elasticIp === false) return skipped("the site has none");
    const found = seen(facts.address);
    if (!found) return skipped("the site has none");
    const { publicIp, allocationId, instanceId, networkInterfaceId, associationId } = found;
    const server = seen(facts.parameters).get(STORE.instanceId)?.value.trim();
    if (instanceId !== undefined && instanceId === server) return ok(`${publicIp} is on ${server}`);
    const takeOff = `Take it off there, and the controller gives it back: \`${aws(facts, `ec2 disassociate-address --association-id ${associationId}`)}\`.`;
    if (instanceId === undefined && networkInterfaceId !== undefined) {
      return broken(
        `${publicIp} is on ${networkInterfaceId}, which is of no instance, so the controller leaves everything as it is`,
        takeOff,
      );
    }
    if (instanceId === undefined) {
      return broken(
        `${publicIp} is on no instance, and the server is ${server}`,
        `The controller gives it back within five minutes; at once: \`${aws(facts, `ec2 associate-address --allocation-id ${allocationId} --instance-id ${server}`)}\`. If it does not stay, \`${stingy(facts, "server logs")}\` says why.`,
      );
    }
    const own = (ifSeen(facts.instances) ?? []).some(({ id }) => id === instanceId);
    const saw = `${publicIp} is on ${instanceId}, and the store names ${server}`;
    if (own) {
      return broken(
        `${saw}: both are of this site`,
        `The controller is about to agree with the address, within five minutes. If it stays so, \`${stingy(facts, "server logs")}\` says why.`,
      );
    }
    return broken(`${saw}. That instance is not of this site, so the controller leaves everything as it is`, takeOff);
  },
};
