"""Gaps of EC2."""

import copy
import sys
from collections.abc import Callable
from datetime import datetime, timedelta

import control
from control import Refused, answers, capacity, clock, happened
from moto.core import utils
from moto.core.responses import ActionResult
from moto.ec2.exceptions import DependencyViolationError, EC2ClientError
from moto.ec2.models import EC2Backend, ec2_backends
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.instances import Instance, InstanceState, StateReason
from moto.ec2.models.launch_templates import LaunchTemplateVersion
from moto.ec2.models.subnets import Subnet
from moto.ec2.responses.fleets import Fleets
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import convert_tag_spec, random_fleet_id
from moto.servicequotas.models import ServiceQuotasBackend
from moto.ssm.models import ssm_backends

RESOLVED_AT_LAUNCH = "resolve:ssm:"
NO_CAPACITY = "InsufficientInstanceCapacity"
NOTICE_SECONDS = 120
REMEMBERED = timedelta(hours=1)
STATE_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
NEW_ACCOUNT = {"L-34B43A08": 5.0, "L-1216C47A": 5.0, "L-0263D0A3": 5.0}

notices: dict[str, dict] = {}
quotas: dict[str, float] = {}
control.on_reset += [notices.clear, quotas.clear]


def the_clock_can_be_set() -> None:
    """Every time is the machine's own, and the product reads ages from them."""
    machine_time = utils.utcnow
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.") and getattr(module, "utcnow", None) is machine_time:
            module.utcnow = clock.now


def subnets_have_their_ipv6_range() -> None:
    """The state of a subnet's IPv6 range is one level too deep: Terraform waits for it for three minutes, and fails."""

    def associations(self: Subnet) -> list[dict]:
        return [
            {
                "ipv6CidrBlock": association["ipv6CidrBlock"],
                "associationId": association["associationId"],
                "ipv6CidrBlockState": {"state": "associated"},
            }
            for association in self.ipv6_cidr_block_associations.values()
            if association["ipv6CidrBlockState"]["State"] == "associated"
        ]

    Subnet.ipv6_cidr_block_association_set = property(associations)


def images_are_resolved() -> None:
    """An instance keeps the template's `resolve:ssm:NAME` as its image."""
    make = Instance.__init__

    def init(self: Instance, *args: object, **kwargs: object) -> None:
        make(self, *args, **kwargs)
        if self.image_id and self.image_id.startswith(RESOLVED_AT_LAUNCH):
            store = ssm_backends[self.ec2_backend.account_id][self.ec2_backend.region_name]
            parameter = store.get_parameter(self.image_id.removeprefix(RESOLVED_AT_LAUNCH))
            if parameter is None:
                raise EC2ClientError("InvalidAMIID.NotFound", f"The parameter of {self.image_id} does not exist")
            self.image_id = parameter.value

    Instance.__init__ = init


def templates_that_are_gone_are_refused() -> None:
    """A launch from a template that is gone is an internal error."""

    def template(self: EC2Backend, asked: dict) -> LaunchTemplateVersion:
        if "LaunchTemplateId" in asked:
            found = self.get_launch_template(asked["LaunchTemplateId"])
        else:
            found = self.get_launch_template_by_name(asked["LaunchTemplateName"])
        return found.get_version(asked.get("Version", found.default_version_number))

    EC2Backend._get_template_from_args = template


def launches_follow_the_template() -> None:
    """A launch leaves out profile, metadata options, shutdown behaviour and tags, and adds a volume of its own."""
    run = EC2Backend.run_instances

    def run_instances(self: EC2Backend, image_id: str, count: int, user_data: object, names: list, **given: object):
        template = self._get_template_from_args(given["launch_template"]).data if given.get("launch_template") else {}
        templates_tags = convert_tag_spec(template.get("TagSpecifications", []))
        asked = given.get("tags") or {}
        tags = {kind: templates_tags.get(kind, {}) | asked.get(kind, {}) for kind in {*templates_tags, *asked}}
        given["tags"] = tags
        given["metadata_options"] = template.get("MetadataOptions", {}) | (given.get("metadata_options") or {})
        shutdown = template.get("InstanceInitiatedShutdownBehavior")
        given["instance_initiated_shutdown_behavior"] = given.get("instance_initiated_shutdown_behavior") or shutdown
        if "BlockDeviceMappings" in template:
            given.setdefault("block_device_mappings", template["BlockDeviceMappings"])
        market = given.get("instance_market_options") or template.get("InstanceMarketOptions", {}).get("MarketType")
        given["instance_market_options"] = market
        reservation = run(self, image_id, count, user_data, names, **given)
        profile = template.get("IamInstanceProfile")
        asked_profile = given.get("iam_instance_profile_name") or given.get("iam_instance_profile_arn")
        for instance in reservation.instances:
            for interface in instance.nics.values():
                interface.add_tags(tags.get("network-interface", {}))
            if profile and not asked_profile:
                self.associate_iam_instance_profile(instance.id, profile.get("Name"), profile.get("Arn"))
        return reservation

    EC2Backend.run_instances = run_instances


def subnets_give_ipv6_addresses() -> None:
    """A subnet that assigns IPv6 addresses assigns none."""
    prepare = Instance.prep_nics

    def prep_nics(self: Instance, *args: object, **given: object) -> None:
        subnet = self.ec2_backend.get_subnet(self._subnet_id) if self._subnet_id else None
        if subnet and str(subnet.assign_ipv6_address_on_creation).lower() == "true":
            given["ipv6_address_count"] = given.get("ipv6_address_count") or 1
        prepare(self, *args, **given)

    Instance.prep_nics = prep_nics


def fleets_launch_from_the_template() -> None:
    """A fleet's machine has not the template's security groups and profile, and does not say where it is from."""
    create = Fleets.create_fleet

    def create_fleet(self: Fleets) -> ActionResult:
        if self._get_param("Type") != "instant":
            return create(self)
        backend, wanted = self.ec2_backend, self._get_param("TargetCapacitySpecification", {})
        market = wanted.get("DefaultTargetCapacityType", "on-demand")
        fleet = random_fleet_id()
        tags = convert_tag_spec(self._get_param("TagSpecifications", []))
        tags["instance"] = tags.get("instance", {}) | {"aws:ec2:fleet-id": fleet}
        launched, errors = [], []
        for config in self._get_param("LaunchTemplateConfigs", []):
            template = config["LaunchTemplateSpecification"]
            backend._get_template_from_args(template)
            for override in config.get("Overrides") or [{}]:
                if launched:
                    break
                said = {
                    "LaunchTemplateAndOverrides": {"LaunchTemplateSpecification": template, "Overrides": override},
                    "Lifecycle": market,
                }
                try:
                    reservation = backend.run_instances(
                        None,
                        int(wanted["TotalTargetCapacity"]),
                        None,
                        [],
                        launch_template=template,
                        instance_type=override.get("InstanceType"),
                        is_instance_type_default="InstanceType" not in override,
                        subnet_id=override.get("SubnetId"),
                        region_name=self.region,
                        associate_public_ip=None,
                        instance_market_options="spot" if market == "spot" else None,
                        tags=copy.deepcopy(tags),
                    )
                except EC2ClientError as refused:
                    errors.append(said | {"ErrorCode": refused.code, "ErrorMessage": refused.message})
                    continue
                ids = [instance.id for instance in reservation.instances]
                launched.append(said | {"InstanceIds": ids, "InstanceType": reservation.instances[0].instance_type})
        return ActionResult({"FleetId": fleet, "Instances": launched, "Errors": errors})

    Fleets.create_fleet = create_fleet


def machines_run_out() -> None:
    """There is always a machine, of every type in every zone."""
    run = EC2Backend.run_instances

    def run_instances(self: EC2Backend, *args: object, **given: object):
        # A subnet that is gone is refused before a machine is looked for.
        zone = self.get_subnet(given["subnet_id"]).availability_zone if given.get("subnet_id") else None
        template = self._get_template_from_args(given["launch_template"]).data if given.get("launch_template") else {}
        own_type = template.get("InstanceType") if given["is_instance_type_default"] else None
        asked = {
            "zone": zone or given.get("placement"),
            "type": own_type or given["instance_type"],
            "market": "spot" if given.get("instance_market_options") else "on-demand",
        }
        for refusal in reversed(capacity):
            if all(refusal.get(name) in (None, value) for name, value in asked.items()):
                what = f"{asked['market']} capacity for {asked['type']} in {asked['zone']}"
                raise EC2ClientError(refusal.get("code") or NO_CAPACITY, f"There is no {what}")
        return run(self, *args, **given)

    EC2Backend.run_instances = run_instances


def launches_are_idempotent() -> None:
    """The same token again launches again."""

    def once(action: Callable) -> Callable:
        def answer(self: Fleets | InstanceResponse) -> ActionResult:
            token = self._get_param("ClientToken")
            if token is None:
                return action(self)
            request = {key: value for key, value in self.data.items() if key != "ClientToken"}
            known = self.ec2_backend.__dict__.setdefault("answers", {})
            if (action, token) not in known:
                known[action, token] = (request, action(self))
            before, result = known[action, token]
            if before != request:
                raise EC2ClientError("IdempotentParameterMismatch", "The token was used for another request.")
            return result

        return answer

    Fleets.create_fleet = once(Fleets.create_fleet)
    InstanceResponse.run_instances = once(InstanceResponse.run_instances)


def addresses_leave_their_old_holder() -> None:
    """A reassociated Elastic IP stays on the instance that had it as well."""
    associate = ElasticAddressBackend.associate_address

    def associate_address(self: ElasticAddressBackend, *args: object, **given: object):
        before = {address.allocation_id: address.eni for address in self.addresses}
        address = associate(self, *args, **given)
        old = before.get(address.allocation_id)
        if old is not None and old is not address.eni:
            old.public_ip = None
            old.check_auto_public_ip()
        return address

    EC2Backend.associate_address = associate_address


def terminated_instances_let_go() -> None:
    """An Elastic IP and a network interface stay on an instance that has ended."""
    terminate = Instance.terminate

    def end(self: Instance) -> InstanceState:
        if self.state == "terminated":
            return copy.copy(self._state)
        for address in self.ec2_backend.addresses:
            if address.instance is self:
                self.ec2_backend.disassociate_address(address=address.public_ip)
        for interface in self.nics.values():
            interface.delete_on_termination = True
        return terminate(self)

    Instance.terminate = end


def terminated_instances_are_forgotten() -> None:
    """An instance that has ended is described for ever: AWS forgets it within an hour or so."""
    terminate, all_reservations = Instance.terminate, EC2Backend.all_reservations

    def end(self: Instance) -> InstanceState:
        self.forgotten_from = getattr(self, "forgotten_from", clock.now() + REMEMBERED)
        return terminate(self)

    def reservations(self: EC2Backend, filters: object = None) -> list:
        for number, reservation in list(self.reservations.items()):
            if all(getattr(instance, "forgotten_from", datetime.max) < clock.now() for instance in reservation.instances):
                del self.reservations[number]
        return all_reservations(self, filters)

    Instance.terminate, EC2Backend.all_reservations = end, reservations


def what_is_in_use_is_not_deleted() -> None:
    """Subnets, security groups and gateways are deleted from under an instance."""
    delete_subnet, delete_group = EC2Backend.delete_subnet, EC2Backend.delete_security_group
    detach = EC2Backend.detach_internet_gateway

    def living(backend: EC2Backend) -> list[Instance]:
        return [instance for instance in backend.all_instances() if instance.state != "terminated"]

    def subnet(self: EC2Backend, subnet_id: str) -> Subnet:
        if any(instance.subnet_id == subnet_id for instance in living(self)):
            raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
        return delete_subnet(self, subnet_id)

    def group(self: EC2Backend, name: str | None = None, group_id: str | None = None) -> None:
        interfaces = [interface for instance in living(self) for interface in instance.nics.values()]
        if any(group.id == group_id for interface in interfaces for group in interface.group_set):
            raise DependencyViolationError(f"resource {group_id} has a dependent object")
        return delete_group(self, name, group_id)

    def gateway(self: EC2Backend, internet_gateway_id: str, vpc_id: str) -> None:
        if any(instance.vpc_id == vpc_id and instance.public_ip for instance in living(self)):
            raise DependencyViolationError(
                f"Network {vpc_id} has some mapped public address(es). "
                "Please unmap those public address(es) before detaching the gateway."
            )
        return detach(self, internet_gateway_id, vpc_id)

    EC2Backend.delete_subnet = subnet
    EC2Backend.delete_security_group = group
    EC2Backend.detach_internet_gateway = gateway


def instances_say_what_becomes_of_them() -> None:
    """No state of an instance is an event on the bus."""
    run, start, stop, terminate = EC2Backend.run_instances, Instance.start, Instance.stop, Instance.terminate

    def tell(instance: Instance, *states: str) -> None:
        region, account = instance.ec2_backend.region_name, instance.ec2_backend.account_id
        arn = f"arn:aws:ec2:{region}:{account}:instance/{instance.id}"
        for state in states:
            detail = {"instance-id": instance.id, "state": state}
            happened(region, "aws.ec2", "EC2 Instance State-change Notification", detail, [arn])

    def run_instances(self: EC2Backend, *args: object, **given: object):
        reservation = run(self, *args, **given)
        for instance in reservation.instances:
            tell(instance, "pending", "running")
        return reservation

    def telling(change: Callable, during: str, after: str) -> Callable:
        def changed(self: Instance) -> InstanceState:
            before = change(self)
            if before.name != after:
                tell(self, during, after)
            return before

        return changed

    EC2Backend.run_instances = run_instances
    Instance.start = telling(start, "pending", "running")
    Instance.stop = telling(stop, "stopping", "stopped")
    Instance.terminate = telling(terminate, "shutting-down", "terminated")


def ec2_has_quotas() -> None:
    """Only VPC's are known: a new account has 5 vCPUs of each kind and 5 Elastic IPs."""
    ask = ServiceQuotasBackend.get_service_quota

    def get_service_quota(self: ServiceQuotasBackend, service_code: str, quota_code: str) -> dict:
        value = quotas.get(quota_code, NEW_ACCOUNT.get(quota_code))
        if value is None:
            return ask(self, service_code, quota_code)
        return {"ServiceCode": service_code, "QuotaCode": quota_code, "Value": value}

    ServiceQuotasBackend.get_service_quota = get_service_quota


GAPS = (
    the_clock_can_be_set,
    subnets_have_their_ipv6_range,
    images_are_resolved,
    templates_that_are_gone_are_refused,
    machines_run_out,
    launches_follow_the_template,
    subnets_give_ipv6_addresses,
    instances_say_what_becomes_of_them,
    fleets_launch_from_the_template,
    launches_are_idempotent,
    addresses_leave_their_old_holder,
    terminated_instances_let_go,
    terminated_instances_are_forgotten,
    what_is_in_use_is_not_deleted,
    ec2_has_quotas,
)


def find(instance_id: str) -> Instance:
    for backend in list(ec2_backends[control.ACCOUNT].values()):
        for instance in backend.all_instances():
            if instance.id == instance_id:
                return instance
    raise LookupError(f"there is no instance {instance_id}")


def running_spot(given: dict) -> Instance:
    instance = find(given.get("instance", ""))
    if instance.state != "running" or instance.lifecycle != "spot":
        raise Refused(f"{instance.id} is {instance.state} and {instance.lifecycle or 'on demand'}: not running Spot")
    return instance


@answers("POST", "interruptions")
def _interrupt(given: dict, rest: list, query: dict) -> object:
    """AWS takes the machine back: it says so, and two minutes later it does."""
    with control.one_at_a_time:
        instance = running_spot(given)
        region = instance.ec2_backend.region_name
        arn = f"arn:aws:ec2:{instance.placement}:instance/{instance.id}"
        detail = {"instance-id": instance.id, "instance-action": "terminate"}

        def take() -> str:
            with control.one_at_a_time:
                if instance.state == "terminated":
                    return f"{instance.id} has ended before"
                instance.terminate()
                instance.state_reason = StateReason(
                    "Server.SpotInstanceTermination: Spot instance termination", "Server.SpotInstanceTermination"
                )
                return instance.id

        due = clock.after(NOTICE_SECONDS, f"takes {instance.id} back", take)
        notice = {"action": "terminate", "time": f"{due.at.isoformat(timespec='seconds')}Z"}
        notices[instance.id] = notices.get(instance.id, {}) | notice
        happened(region, "aws.ec2", "EC2 Spot Instance Interruption Warning", detail, [arn])
        return notice


@answers("POST", "recommendations")
def _recommend(given: dict, rest: list, query: dict) -> object:
    """AWS thinks that the machine will soon be taken back."""
    with control.one_at_a_time:
        instance = running_spot(given)
        arn = f"arn:aws:ec2:{instance.placement}:instance/{instance.id}"
        notice = {"noticeTime": f"{clock.now().isoformat(timespec='seconds')}Z"}
        notices[instance.id] = notices.get(instance.id, {}) | notice
        region = instance.ec2_backend.region_name
        happened(region, "aws.ec2", "EC2 Instance Rebalance Recommendation", {"instance-id": instance.id}, [arn])
        return notice


@answers("GET", "notice")
def _tell_notice(given: dict, rest: list, query: dict) -> object:
    """What the instance's metadata says at spot/instance-action, and of a recommendation."""
    if not rest or rest[0] not in notices:
        raise LookupError("there is no notice")
    return notices[rest[0]]


@answers("POST", "quotas")
def _set_quotas(given: dict, rest: list, query: dict) -> object:
    """By code."""
    quotas.update({code: float(value) for code, value in given.items()})
    return quotas
