export { Alarms, type AlarmsProps } from "./alarms";
export { AlertForwarder, type AlertForwarderProps } from "./alert-forwarder";
export { AlertTopic, type AlertTopicProps } from "./alert-topic";
export { SiteDashboard, type SiteDashboardProps } from "./dashboard";
export { SavedQueries, type SavedQueriesProps } from "./saved-queries";
export { type Metric, type SiteAlarm, siteAlarms, type Watched } from "./site-alarms";
export { SpendingLimit, type SpendingLimitProps } from "./spending-limit";
