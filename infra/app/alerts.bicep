@description('Name of the action group.')
param actionGroupName string
@description('Name of the Application Insights component.')
param applicationInsightsName string
@description('Name of the Service Bus namespace.')
param serviceBusName string
@description('Receives operational alerts; empty for nobody.')
param alertEmail string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource serviceBus 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: serviceBusName
}

resource group 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: actionGroupName
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'pgrestore'
    emailReceivers: empty(alertEmail) ? [] : [
      {
        name: 'operator'
        emailAddress: alertEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource deadLetters 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${serviceBusName}-dead-letters'
  location: 'global'
  tags: tags
  properties: {
    severity: 1
    enabled: true
    scopes: [
      serviceBus.id
    ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT5M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'dead-letters'
          metricName: 'DeadletteredMessages'
          operator: 'GreaterThan'
          threshold: 0
          timeAggregation: 'Maximum'
        }
      ]
    }
    actions: [
      {
        actionGroupId: group.id
      }
    ]
  }
}

var queries = {
  stuck: {
    query: 'traces | extend log = parse_json(message) | where log.event == "stuck"'
    description: 'A restore does not get on; its reason is in the log. See docs/operations.md, Stuck.'
  }
  failed: {
    query: 'traces | extend log = parse_json(message) | where log.event == "phase" and log.state == "failed"'
    description: 'A restore, or the restore of a drill, failed.'
  }
  drill: {
    query: 'traces | extend log = parse_json(message) | where log.event in ("drill.failed", "drill.overdue")'
    description: 'A drill failed, or none has passed for too long. See GET /api/drills.'
  }
}

resource logAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for item in items(queries): {
  name: '${applicationInsightsName}-${item.key}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    description: item.value.description
    severity: 1
    enabled: true
    autoMitigate: false
    scopes: [
      appInsights.id
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    criteria: {
      allOf: [
        {
          query: item.value.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        group.id
      ]
    }
  }
}]

output actionGroupId string = group.id
