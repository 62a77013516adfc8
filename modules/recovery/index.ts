export { type ControllerPolicyProps, controllerPolicy } from "./controller-policy";
export { DeadLetterQueue, type DeadLetterQueueProps } from "./dead-letter-queue";
export { OperatingHours, type OperatingHoursProps } from "./operating-hours";
export { Trigger, type TriggerProps } from "./trigger";
