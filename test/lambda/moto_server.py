"""moto 5.2.1 with the gaps closed that the controller meets: one patch a gap, each with the fact that makes it necessary.

What a test wants of it is said through AWS's own calls, so that `/moto-api/reset` forgets it too:
- a subnet's tag `refuses-spot` or `refuses-on-demand` is the code with which launches in it are refused;
- the parameter `/emulator/clock` is how many seconds its clock is ahead;
- the parameter `/emulator/quota/CODE` is the limit with that code;
- the parameter `/emulator/answer/DOCUMENT` is what a server prints that is told to run the document;
- the parameter `/emulator/status/DOCUMENT` is how far it is with that.
"""

import sys
from datetime import timedelta

try:
    from moto.core.responses import ActionResult
except ModuleNotFoundError:
    sys.exit(127)

from moto.awslambda_simple.models import LambdaSimpleBackend
from moto.core.config import default_user_config
from moto.core.utils import utcnow
from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models import instances as instance_models
from moto.ec2.models.fleets import Fleet
from moto.ec2.models.instances import Instance
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.fleets import Fleets
from moto.ec2.responses.instances import InstanceResponse
from moto.ec2.utils import random_fleet_id
from moto.server import main
from moto.servicequotas.models import ServiceQuotasBackend
from moto.ssm import models as parameter_models
from moto.ssm.models import ssm_backends

CLOCK = "/emulator/clock"
QUOTA = "/emulator/quota/"
ANSWER = "/emulator/answer/"
STATUS = "/emulator/status/"
RESOLVED_AT_LAUNCH = "resolve:ssm:"


def functions_answer_without_docker():
    """An invocation starts a container where there is Docker; without Docker a function that does not exist answers too."""
    default_user_config["lambda"] = {"use_docker": False}
    call = LambdaSimpleBackend.invoke

    def invoke(self, function_name, qualifier, *rest):
        self.get_function(function_name, qualifier)
        return call(self, function_name, qualifier, *rest)

    LambdaSimpleBackend.invoke = invoke


def the_clock_can_be_set():
    """A launch and a parameter carry the time of the machine, and the controller reads ages from them."""

    def ahead():
        stores = [store for regions in ssm_backends.values() for store in regions.values()]
        seconds = [float(version.value) for store in stores for version in (store._parameters.get(CLOCK) or [])]
        return utcnow() + timedelta(seconds=max(seconds, default=0))

    instance_models.utcnow = ahead
    parameter_models.utcnow = ahead


def images_are_resolved():
    """An instance keeps the template's `resolve:ssm:NAME` as its image."""
    make = Instance.__init__

    def init(self, *args, **kwargs):
        make(self, *args, **kwargs)
        if self.image_id and self.image_id.startswith(RESOLVED_AT_LAUNCH):
            store = ssm_backends[self.ec2_backend.account_id][self.ec2_backend.region_name]
            self.image_id = store.get_parameter(self.image_id.removeprefix(RESOLVED_AT_LAUNCH)).value

    Instance.__init__ = init


def fleets_tag_the_template():
    """An instance of RunInstances says which template it is from, one of CreateFleet does not."""
    make = Fleet.__init__

    def init(self, *args, **kwargs):
        make(self, *args, **kwargs)
        for launched in self.instances or []:
            template = launched["LaunchTemplateAndOverrides"]["LaunchTemplateSpecification"]
            tags = {
                "aws:ec2:fleet-id": self.id,
                "aws:ec2launchtemplate:id": template["LaunchTemplateId"],
                "aws:ec2launchtemplate:version": str(template["Version"]),
            }
            for instance_id in launched["InstanceIds"]:
                self.ec2_backend.get_instance(instance_id).add_tags(tags)

    Fleet.__init__ = init


def refusal(backend, subnet_id, market):
    tags = {tag["key"]: tag["value"] for tag in backend.get_subnet(subnet_id).get_tags()}
    return tags.get(f"refuses-{market}")


def machines_run_out():
    """There is always a machine: in the first subnet that is asked for."""
    create, run = Fleets.create_fleet, InstanceResponse.run_instances

    def create_fleet(self):
        market = self._get_param("TargetCapacitySpecification")["DefaultTargetCapacityType"]
        configs = self._get_param("LaunchTemplateConfigs")
        errors, left = [], []
        for override in configs[0]["Overrides"]:
            code = refusal(self.ec2_backend, override["SubnetId"], market)
            if code is None:
                left.append(override)
                continue
            where = {"LaunchTemplateSpecification": configs[0]["LaunchTemplateSpecification"], "Overrides": override}
            errors.append(
                {"LaunchTemplateAndOverrides": where, "Lifecycle": market, "ErrorCode": code, "ErrorMessage": "refused"}
            )
        if not left:
            return ActionResult({"FleetId": random_fleet_id(), "Instances": [], "Errors": errors})
        configs[0]["Overrides"] = left
        given = self._get_param
        self._get_param = lambda name, *rest, **more: (
            configs if name == "LaunchTemplateConfigs" else given(name, *rest, **more)
        )
        return create(self)

    def run_instances(self):
        market = self._get_param("InstanceMarketOptions.MarketType") or "on-demand"
        code = refusal(self.ec2_backend, self._get_param("SubnetId"), market)
        if code is not None:
            raise EC2ClientError(code, "refused")
        return run(self)

    Fleets.create_fleet = create_fleet
    InstanceResponse.run_instances = run_instances


def launches_are_idempotent():
    """The same token again launches again."""

    def once(action):
        def answer(self):
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


def addresses_are_freed():
    """An Elastic IP stays on an instance that has ended."""
    terminate = Instance.terminate

    def end(self):
        for address in self.ec2_backend.addresses:
            if address.instance is self:
                self.ec2_backend.disassociate_address(address=address.public_ip)
        return terminate(self)

    Instance.terminate = end


def ec2_has_quotas():
    """Only VPC's are known: a new account has 5 vCPUs of each kind and 5 Elastic IPs."""
    ask = ServiceQuotasBackend.get_service_quota
    new_account = {"L-34B43A08": 5.0, "L-1216C47A": 5.0, "L-0263D0A3": 5.0}

    def get_service_quota(self, service_code, quota_code):
        stored = ssm_backends[self.account_id][self.region_name]._parameters.get(f"{QUOTA}{quota_code}")
        value = float(stored[-1].value) if stored else new_account.get(quota_code)
        if value is None:
            return ask(self, service_code, quota_code)
        return {"ServiceCode": service_code, "QuotaCode": quota_code, "Value": value}

    ServiceQuotasBackend.get_service_quota = get_service_quota


def commands_print():
    """A command that a server is told to run succeeds at once and prints nothing."""
    respond = parameter_models.Command.invocation_response

    def invocation_response(self, *args):
        stored = ssm_backends[self.account_id][self.backend_region]._parameters.get(f"{ANSWER}{self.document_name}")
        return respond(self, *args) | ({"StandardOutputContent": stored[-1].value} if stored else {})

    parameter_models.Command.invocation_response = invocation_response


def commands_may_fail():
    """Every command is a success at once."""
    answer = parameter_models.Command.get_invocation

    def get_invocation(self, *args):
        stored = ssm_backends[self.account_id][self.backend_region]._parameters.get(f"{STATUS}{self.document_name}")
        return answer(self, *args) | ({"Status": stored[-1].value} if stored else {})

    parameter_models.Command.get_invocation = get_invocation


def templates_leave_their_own_tags_out():
    """The tags of a launch template itself are kept as if its instances had them: every later plan finds a difference."""
    create = LaunchTemplate.create_version

    def create_version(self, data, description):
        tagged = data.get("TagSpecifications")
        if tagged:
            data["TagSpecifications"] = [tags for tags in tagged if tags["ResourceType"] != "launch-template"]
        return create(self, data, description)

    LaunchTemplate.create_version = create_version


for close_gap in (
    functions_answer_without_docker,
    the_clock_can_be_set,
    images_are_resolved,
    fleets_tag_the_template,
    machines_run_out,
    launches_are_idempotent,
    addresses_are_freed,
    templates_leave_their_own_tags_out,
    ec2_has_quotas,
    commands_print,
    commands_may_fail,
):
    close_gap()

main(sys.argv[1:])
