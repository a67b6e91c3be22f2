"""Records what RDKit says of well-known molecules: molecules.json, which the tests of `chemistry` read.

usage: molecules.py [SMILES_CSV COLUMN ADIT_LINES]

With a table of molecules and the lines that the ignored test `what_is_said_of_a_table` prints for it, tells how far both agree.
"""
import csv, json, pathlib, sys

from rdkit import Chem
from rdkit.Chem import Descriptors, rdMolDescriptors
from rdkit.Chem.Scaffolds import MurckoScaffold

DRUGS = """CC(=O)Oc1ccccc1C(=O)O CC(=O)Nc1ccc(O)cc1 CC(C)Cc1ccc(cc1)C(C)C(=O)O Cn1cnc2c1c(=O)n(C)c(=O)n2C CN1CCCC1c1cccnc1
CC12CCC3C(CCC4=CC(=O)CCC34C)C1CCC2O OC(=O)CCc1ccccc1 CN(C)CCc1c[nH]c2ccccc12 NCCc1ccc(O)c(O)c1 CNCC(O)c1ccc(O)c(O)c1
CC(C)NCC(O)COc1cccc2ccccc12 CC(C)NCC(O)COc1ccc(CC(N)=O)cc1 O=C1NC(=O)C(c2ccccc2)(c2ccccc2)N1 CCC1(CC)C(=O)NC(=O)NC1=O
CN1C(=O)CN=C(c2ccccc2)c2cc(Cl)ccc12 Clc1ccc(cc1)C(c1ccccc1)N1CCN(CC1)CCOCC(=O)O CN(C)CCCN1c2ccccc2Sc2ccc(Cl)cc12
CN(C)CCOC(c1ccccc1)c1ccccc1 COc1ccc2[nH]cc(CCNC(C)=O)c2c1 OC(=O)c1cn(C2CC2)c2cc(N3CCNCC3)c(F)cc2c1=O
CC1(C)SC2C(NC(=O)Cc3ccccc3)C(=O)N2C1C(=O)O Nc1ccc(cc1)S(N)(=O)=O Cc1cc(NS(=O)(=O)c2ccc(N)cc2)no1 CN(C)C(=N)NC(=N)N
CCCCc1nc(Cl)c(CO)n1Cc1ccc(cc1)-c1ccccc1-c1nnn[nH]1 CCOC(=O)C(CCc1ccccc1)NC(C)C(=O)N1CCCC1C(=O)O
CC(C)c1c(C(=O)Nc2ccccc2)c(-c2ccccc2)c(-c2ccc(F)cc2)n1CCC(O)CC(O)CC(=O)O COc1ccc2nc(S(=O)Cc3ncc(C)c(OC)c3C)[nH]c2c1
CN1CCC(=C2c3ccccc3CCc3cccnc23)CC1 Clc1cccc(Cl)c1Nc1ccccc1CC(=O)O OCC1OC(O)C(O)C(O)C1O NC(Cc1c[nH]c2ccccc12)C(=O)O
C1CCCCC1 c1ccc2ccccc2c1 c1ccncc1 C1CCNCC1 CCO CCCCCC O=C(O)C=Cc1ccccc1 N#Cc1ccccc1 O=[N+]([O-])c1ccccc1 CS(C)=O ClC(Cl)Cl FC(F)(F)c1ccccc1
c1ccsc1 c1ccoc1 c1cc[nH]c1 O=C1CCCCC1 C1CC2CCC1C2 BrCCBr OB(O)c1ccccc1 CP(C)(C)=O""".split()


def said(smiles):
    mol = Chem.MolFromSmiles(smiles)
    if mol is None:
        return None
    # Twice a molecule's fragments are cut before the scaffold of a molecule without rings is empty.
    scaffold = MurckoScaffold.MurckoScaffoldSmiles(mol=Chem.Mol(mol), includeChirality=False)
    return {
        "smiles": smiles,
        "heavy": mol.GetNumHeavyAtoms(),
        "hydrogens": sum(a.GetTotalNumHs() for a in mol.GetAtoms()),
        "weight": round(Descriptors.MolWt(mol), 3),
        "rings": rdMolDescriptors.CalcNumRings(mol),
        "aromatic": sum(a.GetIsAromatic() for a in mol.GetAtoms()),
        "rotatable": rdMolDescriptors.CalcNumRotatableBonds(mol),
        "donors": rdMolDescriptors.CalcNumHBD(mol),
        "acceptors": rdMolDescriptors.CalcNumHBA(mol),
        "surface": round(rdMolDescriptors.CalcTPSA(mol), 2),
        "log_p": round(Descriptors.MolLogP(mol), 3),
        "scaffold": scaffold,
    }


def compare(table, column, lines):
    theirs = [said(row[column]) for row in csv.DictReader(open(table, newline=""))]
    ours = [line.rstrip("\n").split("\t") for line in open(lines)]
    both = [(t, o) for t, o in zip(theirs, ours, strict=True) if t and o[0] != "-"]
    print(f"{len(theirs)} molecules; unread by RDKit {sum(t is None for t in theirs)}, by Adit {sum(o[0] == '-' for o in ours)}")
    for at, (name, slack) in enumerate([("heavy", 0), ("weight", .05), ("rings", 0), ("aromatic", 0), ("rotatable", 0),
                                        ("donors", 0), ("acceptors", 0), ("surface", .5), ("hydrogens", 0)]):
        same = sum(abs(float(o[at]) - t[name]) <= slack for t, o in both)
        print(f"{name}: {same / len(both):.4f} equal")
    import numpy
    print("log P correlation", numpy.corrcoef([t["log_p"] for t, _ in both], [float(o[10]) for _, o in both])[0, 1])
    pairs = {(t["scaffold"], o[9]) for t, o in both}
    split = len(pairs) - len({a for a, _ in pairs})
    joined = len(pairs) - len({b for _, b in pairs})
    print(f"scaffolds: RDKit {len({a for a, _ in pairs})}, Adit {len({b for _, b in pairs})}; split {split}, joined {joined}")


if len(sys.argv) == 4:
    compare(*sys.argv[1:])
else:
    out = pathlib.Path(__file__).with_suffix(".json")
    out.write_text("[\n" + ",\n".join(json.dumps(said(s)) for s in DRUGS) + "\n]\n")
