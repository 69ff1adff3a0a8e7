@description('Name of the resource.')
param name string
@description('Name of the Container Apps environment.')
param environmentName string
@description('Name of the service in azure.yaml, by which azd finds the resource.')
param serviceName string
@description('Image of the worker; empty for a public placeholder.')
param image string
@description('Resource id of the identity it runs as.')
param identityId string
@description('Resource id of the identity that reads the length of the queue.')
param scalerIdentityId string
@description('Host name of the container registry.')
param registryLoginServer string
@description('Name of the Log Analytics workspace.')
param logAnalyticsName string
@description('Name of the Service Bus namespace.')
param serviceBusName string
@description('Queue whose length starts workers.')
param tasksQueueName string

@description('Environment of the container: what restore/settings.py reads.')
param environmentSettings object

@description('Subnet of the workers; empty for none.')
param infrastructureSubnetId string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

@description('Cores of a worker.')
@allowed([
  '0.5'
  '1.0'
  '2.0'
  '4.0'
])
param cores string

@description('After which a worker is ended; its task is taken over.')
param timeoutSeconds int

@description('Workers at the same time.')
param maxWorkers int

@description('What the Consumption profile gives with so many cores.')
var memory = {
  '0.5': '1Gi'
  '1.0': '2Gi'
  '2.0': '4Gi'
  '4.0': '8Gi'
}

resource logs 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: logAnalyticsName
}

resource environment 'Microsoft.App/managedEnvironments@2025-01-01' = {
  name: environmentName
  location: location
  tags: tags
  properties: {
    appLogsConfiguration: {
      destination: 'azure-monitor'
    }
    vnetConfiguration: empty(infrastructureSubnetId) ? null : {
      infrastructureSubnetId: infrastructureSubnetId
      internal: false
    }
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource environmentLogs 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = {
  name: 'logs'
  scope: environment
  properties: {
    workspaceId: logs.id
    logs: [
      {
        categoryGroup: 'allLogs'
        enabled: true
      }
    ]
  }
}

resource job 'Microsoft.App/jobs@2025-01-01' = {
  name: name
  location: location
  tags: union(tags, { 'azd-service-name': serviceName })
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
      '${scalerIdentityId}': {}
    }
  }
  properties: {
    environmentId: environment.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Event'
      replicaTimeout: timeoutSeconds
      replicaRetryLimit: 0
      eventTriggerConfig: {
        parallelism: 1
        replicaCompletionCount: 1
        scale: {
          minExecutions: 0
          maxExecutions: maxWorkers
          pollingInterval: 30
          rules: [
            {
              name: 'tasks'
              type: 'azure-servicebus'
              identity: scalerIdentityId
              metadata: {
                namespace: serviceBusName
                queueName: tasksQueueName
                messageCount: '1'
              }
            }
          ]
        }
      }
      identitySettings: [
        {
          identity: identityId
          lifecycle: 'Main'
        }
        {
          identity: scalerIdentityId
          lifecycle: 'None'
        }
      ]
      registries: [
        {
          server: registryLoginServer
          identity: identityId
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'restore'
          image: empty(image) ? 'mcr.microsoft.com/k8se/quickstart-jobs:latest' : image
          resources: {
            cpu: json(cores)
            memory: memory[cores]
          }
          command: empty(image) ? null : [
            'python'
            '-m'
            'restore.worker'
            '--once'
          ]
          env: [for item in items(environmentSettings): {
            name: item.key
            value: item.value
          }]
          volumeMounts: [
            {
              volumeName: 'scratch'
              mountPath: '/work'
            }
          ]
        }
      ]
      volumes: [
        {
          name: 'scratch'
          storageType: 'EmptyDir'
        }
      ]
    }
  }
}

output name string = job.name
output environmentId string = environment.id
