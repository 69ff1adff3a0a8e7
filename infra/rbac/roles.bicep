@description('Name of the account with the package of the function app and the state of restores.')
param hostAccountName string
@description('Name of the landing account, which Azure Backup restores into.')
param restoreAccountName string
@description('Name of the Service Bus namespace.')
param serviceBusName string
@description('Name of the topic that restores tell their events to.')
param eventsTopicName string
@description('Name of the container registry.')
param registryName string
@description('Name of the key vault with the passwords of servers.')
param passwordsVaultName string
@description('Name of the key vault with the keys that are signed with.')
param signingVaultName string
@description('Name of the Application Insights component.')
param applicationInsightsName string
@description('Principal of the function app\'s identity.')
param controlPrincipalId string
@description('Principal of the workers\' identity.')
param workerPrincipalId string
@description('Principal of the scaler\'s identity.')
param scalerPrincipalId string
@description('Principal of the system topic\'s identity.')
param topicPrincipalId string
@description('Principal of the Backup vault\'s identity.')
param vaultPrincipalId string
@description('Container for events that could not be delivered.')
param deadLetterContainerName string

var role = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  serviceBusDataOwner: '090c5cfd-751d-490a-894a-3ce6f1109419'
  serviceBusDataReceiver: '4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0'
  serviceBusDataSender: '69a216fc-b8fb-44d8-bc22-1f3c2cd27a39'
  acrPull: '7f951dda-4ed3-4680-a7ca-43fe172d538d'
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
}

resource host 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: hostAccountName

  resource blob 'blobServices' existing = {
    name: 'default'

    resource state 'containers' existing = {
      name: 'restore-state'
    }
  }
}

resource restore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: restoreAccountName

  resource blob 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: deadLetterContainerName
    }
  }
}

resource namespace 'Microsoft.ServiceBus/namespaces@2024-01-01' existing = {
  name: serviceBusName

  resource tasks 'queues' existing = {
    name: 'restore-tasks'
  }

  resource reports 'queues' existing = {
    name: 'restore-reports'
  }

  resource poison 'queues' existing = {
    name: 'restore-poison'
  }

  resource events 'topics' existing = {
    name: eventsTopicName
  }
}

resource registry 'Microsoft.ContainerRegistry/registries@2025-04-01' existing = {
  name: registryName
}

resource passwords 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: passwordsVaultName
}

resource signing 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: signingVaultName
}

resource appInsights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

var hostRoles = [
  { principal: controlPrincipalId, role: role.storageBlobDataOwner }
  { principal: controlPrincipalId, role: role.storageQueueDataContributor }
  { principal: controlPrincipalId, role: role.storageTableDataContributor }
]

@description('What the Functions host needs; state of restores lies there too.')
resource hostAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in hostRoles: {
  name: guid(host.id, item.principal, item.role)
  scope: host
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var stateRoles = [
  { principal: workerPrincipalId, role: role.storageBlobDataContributor }
]

@description('Results and progress of workers.')
resource stateAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in stateRoles: {
  name: guid(host::blob::state.id, item.principal, item.role)
  scope: host::blob::state
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var restoreRoles = [
  { principal: controlPrincipalId, role: role.storageBlobDataContributor }
  { principal: workerPrincipalId, role: role.storageBlobDataReader }
  { principal: vaultPrincipalId, role: role.storageBlobDataContributor }
]

@description('The control plane makes and deletes a container a restore; the vault writes into it.')
resource restoreAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in restoreRoles: {
  name: guid(restore.id, item.principal, item.role)
  scope: restore
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var deadLetterRoles = [
  { principal: topicPrincipalId, role: role.storageBlobDataContributor }
]

resource deadLetterAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in deadLetterRoles: {
  name: guid(restore::blob::deadLetters.id, item.principal, item.role)
  scope: restore::blob::deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var tasksRoles = [
  { principal: controlPrincipalId, role: role.serviceBusDataSender }
  { principal: controlPrincipalId, role: role.serviceBusDataReceiver }
  { principal: workerPrincipalId, role: role.serviceBusDataReceiver }
  { principal: scalerPrincipalId, role: role.serviceBusDataOwner }
]

@description('The control plane counts dead letters by peeking; KEDA reads the length through the management API.')
resource tasksAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in tasksRoles: {
  name: guid(namespace::tasks.id, item.principal, item.role)
  scope: namespace::tasks
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var reportsRoles = [
  { principal: controlPrincipalId, role: role.serviceBusDataReceiver }
  { principal: workerPrincipalId, role: role.serviceBusDataSender }
]

resource reportsAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in reportsRoles: {
  name: guid(namespace::reports.id, item.principal, item.role)
  scope: namespace::reports
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var poisonRoles = [
  { principal: controlPrincipalId, role: role.serviceBusDataSender }
  { principal: controlPrincipalId, role: role.serviceBusDataReceiver }
  { principal: workerPrincipalId, role: role.serviceBusDataSender }
]

resource poisonAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in poisonRoles: {
  name: guid(namespace::poison.id, item.principal, item.role)
  scope: namespace::poison
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var eventsRoles = [
  { principal: controlPrincipalId, role: role.serviceBusDataSender }
]

resource eventsAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in eventsRoles: {
  name: guid(namespace::events.id, item.principal, item.role)
  scope: namespace::events
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var registryRoles = [
  { principal: workerPrincipalId, role: role.acrPull }
]

resource registryAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in registryRoles: {
  name: guid(registry.id, item.principal, item.role)
  scope: registry
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var passwordsRoles = [
  { principal: workerPrincipalId, role: role.keyVaultSecretsUser }
]

@description('The control plane asks for no password of a server.')
resource passwordsAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in passwordsRoles: {
  name: guid(passwords.id, item.principal, item.role)
  scope: passwords
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var signingRoles = [
  { principal: controlPrincipalId, role: role.keyVaultSecretsUser }
]

@description('Workers, which read what others wrote, sign nothing.')
resource signingAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in signingRoles: {
  name: guid(signing.id, item.principal, item.role)
  scope: signing
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]

var appInsightsRoles = [
  { principal: controlPrincipalId, role: role.monitoringMetricsPublisher }
  { principal: workerPrincipalId, role: role.monitoringMetricsPublisher }
]

resource appInsightsAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for item in appInsightsRoles: {
  name: guid(appInsights.id, item.principal, item.role)
  scope: appInsights
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', item.role)
    principalId: item.principal
    principalType: 'ServicePrincipal'
  }
}]
