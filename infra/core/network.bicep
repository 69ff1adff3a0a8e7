@description('Name of the resource.')
param name string
@description('Resource id of the host storage.')
param hostStorageId string
@description('Resource id of the landing account.')
param restoreStorageId string
@description('Resource id of the key vault.')
param keyVaultId string
@description('Region.')
param location string
@description('Tags of every resource.')
param tags object

var zones = {
  blob: {
    zone: 'privatelink.blob.${environment().suffixes.storage}'
    target: hostStorageId
    group: 'blob'
  }
  queue: {
    zone: 'privatelink.queue.${environment().suffixes.storage}'
    target: hostStorageId
    group: 'queue'
  }
  table: {
    zone: 'privatelink.table.${environment().suffixes.storage}'
    target: hostStorageId
    group: 'table'
  }
  vault: {
    zone: 'privatelink.vaultcore.azure.net'
    target: keyVaultId
    group: 'vault'
  }
}

resource vnet 'Microsoft.Network/virtualNetworks@2024-07-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    addressSpace: {
      addressPrefixes: [
        '10.40.0.0/16'
      ]
    }
    subnets: [
      {
        name: 'functions'
        properties: {
          addressPrefix: '10.40.0.0/26'
          delegations: [
            {
              name: 'flex'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'jobs'
        properties: {
          addressPrefix: '10.40.2.0/23'
          delegations: [
            {
              name: 'aca'
              properties: {
                serviceName: 'Microsoft.App/environments'
              }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.40.1.0/26'
          privateEndpointNetworkPolicies: 'Disabled'
        }
      }
    ]
  }
}

resource dns 'Microsoft.Network/privateDnsZones@2024-06-01' = [for item in items(zones): {
  name: item.value.zone
  location: 'global'
  tags: tags
}]

resource links 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2024-06-01' = [for (item, i) in items(zones): {
  parent: dns[i]
  name: 'link-${item.key}'
  location: 'global'
  properties: {
    registrationEnabled: false
    virtualNetwork: {
      id: vnet.id
    }
  }
}]

resource endpoints 'Microsoft.Network/privateEndpoints@2024-07-01' = [for item in items(zones): {
  name: 'pe-${item.key}-${name}'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${vnet.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: item.key
        properties: {
          privateLinkServiceId: item.value.target
          groupIds: [
            item.value.group
          ]
        }
      }
    ]
  }
}]

resource zoneGroups 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = [for (item, i) in items(zones): {
  parent: endpoints[i]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: item.key
        properties: {
          privateDnsZoneId: dns[i].id
        }
      }
    ]
  }
}]

@description('The landing account shares the zone of blobs with the host account.')
resource restoreEndpoint 'Microsoft.Network/privateEndpoints@2024-07-01' = {
  name: '${name}-restore'
  location: location
  tags: tags
  properties: {
    subnet: {
      id: '${vnet.id}/subnets/endpoints'
    }
    privateLinkServiceConnections: [
      {
        name: 'restore'
        properties: {
          privateLinkServiceId: restoreStorageId
          groupIds: [
            'blob'
          ]
        }
      }
    ]
  }
}

resource restoreZoneGroup 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-07-01' = {
  parent: restoreEndpoint
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: 'blob'
        properties: {
          privateDnsZoneId: resourceId('Microsoft.Network/privateDnsZones', zones.blob.zone)
        }
      }
    ]
  }
  dependsOn: [
    dns
  ]
}

output functionSubnetId string = '${vnet.id}/subnets/functions'
output workerSubnetId string = '${vnet.id}/subnets/jobs'
