@description('Name of the Event Grid system topic.')
param topicName string
@description('Name of the landing account, which Azure Backup restores into.')
param restoreAccountName string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

resource restore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: restoreAccountName
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

output topicName string = topic.name
output principalId string = topic.identity.principalId
