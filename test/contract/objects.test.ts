import { dirWorld, kubernetesWorld, memoryWorld } from '../support/store-worlds.ts';
import { objectsContract } from './objects.ts';

objectsContract('objects in memory', memoryWorld);
objectsContract('objects of the dir: datastore', dirWorld);
objectsContract('objects of the kubernetes datastore', kubernetesWorld);
