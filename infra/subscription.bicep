@description('Function app that holds blob_created; its code must be deployed.')
param functionAppName string

@description('Name of the Event Grid system topic of the landing account.')
param systemTopicName string
@description('Name of the landing account, which Azure Backup restores into.')
param restoreAccountName string
@description('Container for events that could not be delivered.')
param deadLetterContainerName string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: functionAppName
}

resource restore 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: restoreAccountName
}

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: systemTopicName
}

resource created 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'blob-created'
  properties: {
    destination: {
      endpointType: 'AzureFunction'
      properties: {
        resourceId: '${app.id}/functions/blob_created'
        maxEventsPerBatch: 1
      }
    }
    deadLetterWithResourceIdentity: {
      identity: {
        type: 'SystemAssigned'
      }
      deadLetterDestination: {
        endpointType: 'StorageBlob'
        properties: {
          resourceId: restore.id
          blobContainerName: deadLetterContainerName
        }
      }
    }
    eventDeliverySchema: 'CloudEventSchemaV1_0'
    filter: {
      includedEventTypes: [
        'Microsoft.Storage.BlobCreated'
      ]
      subjectBeginsWith: '/blobServices/default/containers/restore-'
    }
    retryPolicy: {
      maxDeliveryAttempts: 30
      eventTimeToLiveInMinutes: 1440
    }
  }
}
