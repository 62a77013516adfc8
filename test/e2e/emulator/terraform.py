"""Gaps that only Terraform meets: with them a plan never becomes empty."""

from moto.ec2.models.launch_templates import LaunchTemplate, LaunchTemplateVersion
from moto.sqs.models import Queue, SQSBackend


def templates_leave_their_own_tags_out() -> None:
    """A launch template's own tags are kept as if its instances had them: every later plan finds a difference."""
    create = LaunchTemplate.create_version

    def create_version(self: LaunchTemplate, data: dict, description: str) -> LaunchTemplateVersion:
        tagged = data.get("TagSpecifications")
        if tagged:
            data["TagSpecifications"] = [tags for tags in tagged if tags["ResourceType"] != "launch-template"]
        return create(self, data, description)

    LaunchTemplate.create_version = create_version


def queues_keep_their_policy() -> None:
    """A change of any other attribute of a queue takes its policy away."""
    change = SQSBackend.set_queue_attributes

    def set_queue_attributes(self: SQSBackend, queue_name: str, attributes: dict) -> Queue:
        policy = self.get_queue(queue_name).policy
        queue = change(self, queue_name, attributes)
        if "Policy" not in attributes:
            queue.policy = policy
        return queue

    SQSBackend.set_queue_attributes = set_queue_attributes


GAPS = (templates_leave_their_own_tags_out, queues_keep_their_policy)
