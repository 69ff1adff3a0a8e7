@description('Name of the Event Grid system topic.')
param topicName string
@description('Name of the landing account, which Azure Backup restores into.')
param restoreAccountName string
@description('Container for events that could not be delivered.')
param deadLetterContainerName string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource restore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: restoreAccountName

  resource blob 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: deadLetterContainerName
    }
  }
}

@description('One system topic a source. Its subscription needs the function, so infra/subscription.bicep adds it after the code.')
resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: restore.id
    topicType: 'Microsoft.Storage.StorageAccounts'
  }
}

resource deadLetterWriter 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(restore::blob::deadLetters.id, topic.id, storageBlobDataContributor)
  scope: restore::blob::deadLetters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    principalId: topic.identity.principalId
    principalType: 'ServicePrincipal'
  }
}

output topicName string = topic.name
