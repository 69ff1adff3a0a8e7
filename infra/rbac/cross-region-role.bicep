@description('Name of the custom role; unique in the tenant.')
param roleName string
@description('Principal of the function app\'s identity.')
param controlPrincipalId string

var scopeId = resourceGroup().id

resource crossRegionRole 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(scopeId, roleName)
  properties: {
    roleName: roleName
    description: 'Restore backups from the paired region. No policy, instance or deletion rights.'
    type: 'CustomRole'
    assignableScopes: [
      scopeId
    ]
    permissions: [
      {
        actions: [
          'Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/fetchSecondaryRecoveryPoints/action'
          'Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/validateCrossRegionRestore/action'
          'Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/crossRegionRestore/action'
          'Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/fetchCrossRegionRestoreJob/action'
          'Microsoft.DataProtection/subscriptions/resourceGroups/providers/locations/fetchCrossRegionRestoreJobs/action'
        ]
        notActions: []
        dataActions: []
        notDataActions: []
      }
    ]
  }
}

@description('Of the group: these requests name a region of it, and no vault.')
resource assignment 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(scopeId, controlPrincipalId, crossRegionRole.id)
  scope: resourceGroup()
  properties: {
    roleDefinitionId: crossRegionRole.id
    principalId: controlPrincipalId
    principalType: 'ServicePrincipal'
  }
}
