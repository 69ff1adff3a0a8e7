@description('Name of the Log Analytics workspace.')
param logAnalyticsName string
@description('Where the workbook lives.')
param location string
@description('Tags of every resource.')
param tags object

// The queries lie in infra/queries, to be read, tried and changed by themselves.
var queries = [
  { name: 'attention', title: 'To be looked at', text: loadTextContent('../queries/attention.kql') }
  { name: 'restores', title: 'Restores of the last week', text: loadTextContent('../queries/restores.kql') }
  { name: 'failures', title: 'What went wrong, by code', text: loadTextContent('../queries/failures.kql') }
  { name: 'tasks', title: 'What workers did', text: loadTextContent('../queries/tasks.kql') }
  { name: 'phases', title: 'Seconds of each phase', text: loadTextContent('../queries/phases.kql') }
  { name: 'rates', title: 'Megabytes a second, and seconds in the queue', text: loadTextContent('../queries/rates.kql') }
  { name: 'alerts', title: 'Alerts, and what they started', text: loadTextContent('../queries/alerts.kql') }
  { name: 'trace', title: 'One restore as a trace', text: loadTextContent('../queries/trace.kql') }
]

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: logAnalyticsName
}

resource saved 'Microsoft.OperationalInsights/workspaces/savedSearches@2025-02-01' = [for query in queries: {
  parent: logs
  name: 'restore-${query.name}'
  properties: any({
    etag: '*' // else a second deployment is a conflict; the types do not have it here
    category: 'Restore'
    displayName: query.title
    query: query.text
    version: 2
  })
}]

// Source of the form: learn.microsoft.com/azure/azure-monitor/visualize/workbooks-automate
resource workbook 'Microsoft.Insights/workbooks@2023-06-01' = {
  name: guid(resourceGroup().id, 'restores')
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: 'Restores'
    category: 'workbook'
    version: 'Notebook/1.0'
    sourceId: logs.id
    serializedData: string({
      version: 'Notebook/1.0'
      items: map(filter(queries, query => query.name != 'trace'), query => {
        type: 3
        name: query.name
        content: {
          version: 'KqlItem/1.0'
          title: query.title
          query: query.text
          size: 0
          queryType: 0
          resourceType: 'microsoft.operationalinsights/workspaces'
          crossComponentResources: [
            logs.id
          ]
        }
      })
    })
  }
}
