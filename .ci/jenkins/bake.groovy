// What machines begin as. Called by the job `bake`: first the image that local hosts begin as, with what roles install, as
// the cache has it after a demo, for sites without a network (docs/offline.md); then, after somebody has read the plan, an
// image for each group of the topology TOPOLOGY that scales (docs/ec2.md).
def topology = params.TOPOLOGY
if (!(topology ==~ /[a-z][a-z0-9-]{0,30}/)) {
    error "TOPOLOGY is ${topology}: write the name of a topology in inventories/"
}
node('primetime') {
    timestamps {
        checkout scm
        withEnv(["PRIMETIME_CACHE=${env.WORKSPACE}/cache", "PRIMETIME_HOME=${env.WORKSPACE}/home"]) {
            stage('fill') {
                timeout(time: 30, unit: 'MINUTES') {
                    sh 'bin/primetime demo --no-stage'
                    sh 'bin/primetime down --yes'
                }
            }
            stage('pack') {
                sh 'tar --numeric-owner --xattrs -czf primetime-cache.tar.gz cache'
                sh 'sha256sum primetime-cache.tar.gz > primetime-cache.tar.gz.sha256'
            }
            archiveArtifacts artifacts: 'primetime-cache.tar.gz,primetime-cache.tar.gz.sha256'
        }
        stage('plan') {
            sh "bin/primetime plan -t ${topology}"
        }
    }
}
stage('approve') {
    // On no agent, and after the archive: that is kept whoever agrees.
    timeout(time: 12, unit: 'HOURS') {
        input message: "Make images for ${topology} as planned?", ok: 'Bake', submitter: 'admin,ops'
    }
}
stage('bake') {
    node('primetime') {
        checkout scm
        // The cluster, a machine's converge and its snapshot for each group, and members that come of the new image.
        timeout(time: 4, unit: 'HOURS') {
            sh "bin/primetime up -t ${topology} --bake --yes"
        }
    }
}
